"""What runs on the compute against what the store has, looked at from time to time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, final

from domain.errors import DomainError, Throttled, Unavailable
from domain.ground.provisioning_state import ProvisioningState
from domain.ports import Document, ResourceStore, WorkloadState
from domain.provisioning.deployment_running import DeploymentRunning
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.endpoint_saving import EndpointSaving
from domain.provisioning.kind import D, E, Kind
from domain.provisioning.place import Place

PAGES = 10
"""Of a hundred deployments each: as many are looked at in one go."""
_SETTLED = (ProvisioningState.SUCCEEDED, ProvisioningState.CANCELED)


@dataclass
class _Round:
    """A look at every deployment, in several goes where they are many. The compute knew of
    `known` as it began; `wanted` has been seen since."""

    known: Sequence[Place]
    wanted: set[str] = field(default_factory=set)
    continuation: str | None = None


@final
class Restorer(Generic[E, D]):
    """What a host does by itself to run what it should, for one kind of endpoint."""

    def __init__(
        self,
        documents: EndpointDocuments[E, D],
        kind: Kind[E, Any, D, Any],
        running: DeploymentRunning[D],
        saving: EndpointSaving[E, D],
        store: ResourceStore,
    ) -> None:
        self._documents = documents
        self._types = kind.types
        self._kind = kind
        self._running = running
        self._saving = saving
        self._store = store
        self._round: _Round | None = None
        self._has_been_round = False

    async def restore(self) -> None:
        """Set every deployment going that should run and that the compute does not run, whoever
        made it; remove what no longer exists; and find those that have died for good. Where an
        operation or a lease runs, its own messages (or the sweep) do that. The first time all
        are looked at, later a thousand, and the next thousand the next time: what it costs does
        not grow with their number."""
        if self._round is None:
            # Before the documents are read: what is made meanwhile is no leftover.
            self._round = _Round(await self._running.places())
        pages = 0
        while pages < PAGES or not self._has_been_round:
            await self._look_at_page(self._round)
            pages += 1
            if self._round.continuation is None:
                await self._remove_leftovers(self._round)
                self._round, self._has_been_round = None, True
                return

    async def _look_at_page(self, look: _Round) -> None:
        page = await self._store.query(self._types.deployment_kind, continuation=look.continuation)
        for document in page.documents:
            deployment = self._types.deployment(document)
            look.wanted.add(self._types.workload_key(Place.of(deployment)))
            if deployment.provisioning_state.is_terminal and document.due_at is None:
                await self._watch(deployment, document)
        look.continuation = page.continuation

    async def _remove_leftovers(self, look: _Round) -> None:
        for place in look.known:
            if self._types.workload_key(place) in look.wanted:
                continue
            # It may have been removed and made again since the round began.
            if await self._documents.find(place) is None:
                await self._running.remove(place)

    async def _watch(self, deployment: D, document: Document) -> None:
        place = Place.of(deployment)
        settled = deployment.provisioning_state in _SETTLED
        wish = deployment if settled else self._kind.before_failure(deployment)
        if wish is None:
            return
        seen = await self._running.observe(place)
        differs = seen is None or not await self._running.is_wanted(seen, wish)
        if seen is None or (differs and (settled or seen.state is WorkloadState.READY)):
            try:
                ensure = await self._running.prepared(wish)
            except (Throttled, Unavailable):
                raise
            except DomainError:
                # What it points at is gone: it runs on where it runs, and else its message
                # tells.
                if seen is None and settled:
                    await self._saving.send(deployment, step=1)
                return
            # Here and now: another host might take a message, and have it running already.
            latest = await self._documents.find(place)
            if latest is None or latest.etag != document.etag:
                return
            seen = await ensure()
        if settled and seen.state is not WorkloadState.READY:
            # Not a first look: what has failed is to be told of, not revived.
            await self._saving.send(deployment, step=1)
