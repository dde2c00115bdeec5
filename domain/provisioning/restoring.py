"""What runs on this process's compute against what the store has, looked at from time to time."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from domain.errors import DomainError, Throttled, Unavailable
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import from_document
from domain.ports import Document, WorkloadKind, WorkloadState
from domain.provisioning.endpoint_documents import D, E, owner_of
from domain.provisioning.reconciling import GRACE, Reconciling

_PAGES = 10
"""Of a hundred deployments each: as many are looked at in one go."""
_SETTLED = (ProvisioningState.SUCCEEDED, ProvisioningState.CANCELED)


@dataclass
class _Round:
    """A look at every deployment, in several goes where they are many. `known` ran here as it
    began; `wanted` has been seen since."""

    known: Sequence[str]
    wanted: set[str] = field(default_factory=set)
    continuation: str | None = None


class Restoring(Reconciling[E, D], ABC):
    """What a host does by itself to run what it should."""

    workload_kind: ClassVar[WorkloadKind]
    _round: _Round | None = None
    _has_been_round = False

    async def restore(self) -> None:
        """Set every deployment going that should run and does not on this process's compute,
        after a start or because another host made it; remove what no longer exists; and
        find those that have died for good. Where an operation or a lease runs, its own
        messages (or the sweep) do that. The first time all are looked at, later a thousand,
        and the next thousand the next time: what it costs does not grow with their number."""
        if self._round is None:
            # Before the documents are read: what is made meanwhile is no leftover.
            self._round = _Round(await self._compute.keys(self.workload_kind))
        pages = 0
        while pages < _PAGES or not self._has_been_round:
            await self._look_at_page(self._round)
            pages += 1
            if self._round.continuation is None:
                await self._remove_leftovers(self._round)
                self._round, self._has_been_round = None, True
                return

    async def _look_at_page(self, look: _Round) -> None:
        page = await self._store.query(self.deployment_kind, continuation=look.continuation)
        for document in page.documents:
            deployment = from_document(self.deployment_type, document)
            look.wanted.add(self._workload_key(owner_of(deployment), deployment.name))
            if deployment.provisioning_state.is_terminal and document.due_at is None:
                await self._watch(deployment, document)
        look.continuation = page.continuation

    async def _remove_leftovers(self, look: _Round) -> None:
        for key in look.known:
            if not key.startswith(self.key_prefix) or key in look.wanted:
                continue
            endpoint, _, deployment = key.removeprefix(self.key_prefix).partition("/")
            # It may have been removed and made again since the round began.
            if await self._find(endpoint, deployment) is None:
                await self._compute.remove(key, grace=GRACE)

    async def _watch(self, deployment: D, document: Document) -> None:
        settled = deployment.provisioning_state in _SETTLED
        wish = deployment if settled else self._before_failure(deployment)
        if wish is None:
            return
        owner = owner_of(deployment)
        seen = await self._compute.observe(self._workload_key(owner, deployment.name))
        differs = seen is None or (seen.revision, seen.wanted) != await self._runs(wish)
        if seen is None or (differs and (settled or seen.state is WorkloadState.READY)):
            try:
                workload = await self._workload(wish)
            except (Throttled, Unavailable):
                raise
            except DomainError:
                # What it points at is gone: it runs on where it runs, and else its message
                # tells.
                if seen is None and settled:
                    await self._send(deployment, owner, step=1)
                return
            # Here and now: another host might take a message, and have it running already.
            latest = await self._get(document.partition, document.id)
            if latest is None or latest.etag != document.etag:
                return
            seen = await self._compute.ensure(workload)
        if settled and seen.state is not WorkloadState.READY:
            # Not a first look: what has failed is to be told of, not revived.
            await self._send(deployment, owner, step=1)
