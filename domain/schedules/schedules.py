"""Schedules as resources: made, changed, read and deleted at once."""

import contextlib
from dataclasses import dataclass

from domain.errors import (
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    NotFound,
    StaleETag,
    refuse,
)
from domain.ports import Clock, Create, Delete, Document, Replace, ResourceStore, WorkQueue, Write
from domain.provisioning.provisioning_state import ProvisioningState
from domain.resource import Conditions, Stored, Wanted, to_body
from domain.resource import from_document as stored_resource
from domain.schedules import schedule as stored
from domain.schedules.schedule import (
    KIND,
    PARTITION,
    Schedule,
    ScheduleProperties,
    ScheduleState,
    state_of,
)
from domain.schedules.schedule_state import ScheduleMessages

_TRIES = 5


@dataclass(frozen=True)
class ScheduleView(Stored[Schedule]):
    """A schedule and where it stands; lists leave `state` out."""

    state: ScheduleState | None = None


class Schedules:
    def __init__(self, store: ResourceStore, queue: WorkQueue, clock: Clock, location: str) -> None:
        self._store = store
        self._clock = clock
        self._location = location
        self._messages = ScheduleMessages(queue, clock)

    async def get(self, name: str) -> ScheduleView:
        """Raises NotFound."""
        document, state = await self._find(name)
        if document is None:
            raise NotFound(f"Schedule '{name[:80]}' was not found.")
        return _view(document, state)

    async def list(
        self, top: int, continuation: str | None, *, enabled: bool | None = None
    ) -> tuple[list[ScheduleView], str | None]:
        """By name; all of them unless `enabled` says which."""
        page = await self._store.query(
            KIND,
            partition=PARTITION,
            where=None if enabled is None else {"enabled": enabled},
            page_size=top,
            continuation=continuation,
        )
        return [_view(document, None) for document in page.documents], page.continuation

    async def put(
        self,
        name: str,
        wanted: Wanted[ScheduleProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[ScheduleView, bool]:
        """Create or change; True says created. A due time that passed and has not been met
        stays due, unless the trigger is another now. Raises Invalid, Conflict,
        PreconditionFailed."""
        if fault := stored.name_fault(name):
            refuse([Detail("InvalidName", fault, "name")])
        for _ in range(_TRIES):
            document, before = await self._find(name)
            conditions.check(document, f"Schedule '{name}'")
            old = stored_resource(Schedule, document) if document else None
            new = self._wanted(name, wanted, caller, old)
            state = self._state(new, old, state_of(before) if before else None)
            try:
                etag = await self._save(new, state, document, before)
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue  # Changed by somebody else, or come due: the conditions say which.
            await self._messages.arrange(state)
            return ScheduleView(new, etag, state), document is None
        raise Conflict(f"Schedule '{name}' is being changed by other requests. Try again.")

    async def _save(
        self,
        new: Schedule,
        state: ScheduleState,
        document: Document | None,
        before: Document | None,
    ) -> str:
        body = {**to_body(KIND, new), "enabled": new.properties.is_enabled}
        due_at = self._messages.due_at(state)
        writes: list[Write] = [
            Replace(document.id, body, document.etag)
            if document
            else Create(stored.document_id(new.name), body),
            Replace(before.id, state.to_body(), before.etag, due_at=due_at)
            if before
            else Create(stored.state_id(new.name), state.to_body(), due_at=due_at),
        ]
        written, _ = await self._store.transact(PARTITION, writes)
        if written is None:
            raise AssertionError("a create or replace returns its document")
        return written.etag

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """False if it is not there. Jobs that it has started go on."""
        document, state = await self._find(name)
        if document is None:
            return False
        conditions.check(document, f"Schedule '{name}'")
        writes: list[Write] = [Delete(document.id, document.etag)]
        if state is not None:
            writes.append(Delete(state.id))
        with contextlib.suppress(DocumentNotFound):
            await self._store.transact(PARTITION, writes)
        return True

    def _wanted(
        self, name: str, wanted: Wanted[ScheduleProperties], caller: str, old: Schedule | None
    ) -> Schedule:
        now = self._clock.now()
        return Schedule.model_validate(
            {
                "name": old.name if old else name,
                "location": wanted.location or self._location,
                "provisioning_state": ProvisioningState.SUCCEEDED,
                "created_at": old.created_at if old else now,
                "created_by": old.created_by if old else caller,
                **wanted.taken(wanted.properties, caller, now),
            }
        )

    def _state(
        self, new: Schedule, old: Schedule | None, before: ScheduleState | None
    ) -> ScheduleState:
        state = before or ScheduleState(schedule=new.name)
        as_before = old is not None and (
            old.properties.trigger == new.properties.trigger
            and old.properties.is_enabled == new.properties.is_enabled
        )
        if before is None or not as_before:
            state = state.but(next_at=new.properties.next_after(self._clock.now()))
        return state.but(chain=state.chain + 1, tick=0)

    async def _find(self, name: str) -> tuple[Document | None, Document | None]:
        if stored.name_fault(name):
            return None, None
        try:
            found = await self._store.get(PARTITION, stored.document_id(name))
        except DocumentNotFound:
            return None, None
        try:
            return found, await self._store.get(PARTITION, stored.state_id(name))
        except DocumentNotFound:
            return found, None


def _view(document: Document, state: Document | None) -> ScheduleView:
    found = stored_resource(Schedule, document)
    return ScheduleView(found, document.etag, state_of(state) if state else None)
