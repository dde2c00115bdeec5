"""Schedules as resources: made, changed, read and deleted at once."""

import contextlib
from collections.abc import Mapping
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
from domain.ground.driving.fence import taken_over
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted, to_body
from domain.ground.resource import from_document as stored_resource
from domain.ports import (
    Clock,
    Create,
    Delete,
    Document,
    Page,
    Replace,
    ResourceStore,
    Write,
)
from domain.schedules import schedule as stored
from domain.schedules.schedule import (
    KIND,
    PARTITION,
    STATE_KIND,
    Schedule,
    ScheduleProperties,
    ScheduleState,
    state_of,
)
from domain.schedules.schedule_state import ScheduleMessages

_TRIES = 5
_AND = "|"
"""Between the two places of a list's continuation; no store's own has it."""
_NO_MORE = ""


@dataclass(frozen=True)
class ScheduleView(Stored[Schedule]):
    """A schedule and where it stands."""

    state: ScheduleState | None


class Schedules:
    def __init__(
        self, store: ResourceStore, clock: Clock, messages: ScheduleMessages, location: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._location = location
        self._messages = messages

    async def get(self, name: str) -> ScheduleView:
        """Raises NotFound."""
        document, state = await self._find(name)
        if document is None:
            raise NotFound(f"Schedule '{name[:80]}' was not found.")
        return _view(stored_resource(Schedule, document), document.etag, state)

    async def list(
        self, top: int, continuation: str | None, *, enabled: bool | None = None
    ) -> tuple[list[ScheduleView], str | None]:
        """By name, each with where it stands; all of them unless `enabled` says which. A page
        takes two queries."""
        where = None if enabled is None else {"enabled": enabled}
        at, states_at = _places(continuation)
        page = await self._store.query(
            KIND, partition=PARTITION, where=where, page_size=top, continuation=at
        )
        states = Page(())
        if page.documents and states_at != _NO_MORE:
            states = await self._store.query(
                STATE_KIND,
                partition=PARTITION,
                where=where,
                page_size=len(page.documents),
                continuation=states_at,
            )
        found = {state.id: state for state in states.documents}
        views = [await self._listed(document, found) for document in page.documents]
        if page.continuation is None:
            return views, None
        return views, f"{page.continuation}{_AND}{states.continuation or _NO_MORE}"

    async def _listed(self, document: Document, states: Mapping[str, Document]) -> ScheduleView:
        """Schedules and their states are made and deleted together and named alike, so as many
        of the one are those of the other, but for what is written between two queries."""
        found = stored_resource(Schedule, document)
        id = stored.state_id(found.name)
        return _view(found, document.etag, states.get(id) or await self._get(id))

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
        return taken_over(state.but(enabled=new.properties.is_enabled))

    async def _find(self, name: str) -> tuple[Document | None, Document | None]:
        if stored.name_fault(name):
            return None, None
        found = await self._get(stored.document_id(name))
        return found, await self._get(stored.state_id(name)) if found else None

    async def _get(self, id: str) -> Document | None:
        try:
            return await self._store.get(PARTITION, id)
        except DocumentNotFound:
            return None


def _places(continuation: str | None) -> tuple[str | None, str | None]:
    """Where to go on among the schedules, and among their states."""
    if continuation is None:
        return None, None
    at, _, states_at = continuation.partition(_AND)
    return at, states_at


def _view(found: Schedule, etag: str, state: Document | None) -> ScheduleView:
    return ScheduleView(found, etag, state_of(state) if state else None)
