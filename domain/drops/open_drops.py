"""What gathers in the inbox now, endpoint by endpoint, for whoever wants to see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.drops import blob_drop
from domain.drops.blob_drop import Arrival, BlobDrop, DropState, arrival_of, drop_of
from domain.drops.drop_store import DropStore
from domain.names import endpoint_name_fault
from domain.ports import ResourceStore
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.place import Place

_COUNTED = 1000
"""Files that are counted each time: the document of a drop is told of them now and then only."""


@dataclass(frozen=True)
class OpenDrop:
    """`files` and `bytes` are what no job has taken yet; where it is not complete, at least.
    `seals_at` is when it becomes a job if nothing else comes; None once it is sealed, or while
    there is none. `deployment` is whose job it would be by now; None where none can take it."""

    drop: BlobDrop
    files: int
    bytes: int
    is_complete: bool
    seals_at: datetime | None
    deployment: str | None


class OpenDrops:
    def __init__(
        self,
        store: ResourceStore,
        drops: DropStore,
        documents: EndpointDocuments[BatchEndpoint, BatchDeployment],
    ) -> None:
        self._store = store
        self._drops = drops
        self._documents = documents

    async def page(self, top: int, continuation: str | None) -> tuple[list[OpenDrop], str | None]:
        """Those that gather, or whose job is about to begin. A page may be short, or empty, and
        have another after it. Raises Invalid for a continuation that was never given."""
        page = await self._store.query(blob_drop.KIND, page_size=top, continuation=continuation)
        drops = [drop_of(document) for document in page.documents]
        found = [await self._seen(each) for each in drops if each.state is not DropState.IDLE]
        return found, page.continuation

    async def of(self, endpoint: str) -> OpenDrop:
        """That of one endpoint, also while nothing gathers. Raises NotFound where nothing has ever
        come for an endpoint that is not there."""
        known = endpoint_name_fault(endpoint) is None
        document = await self._drops.document(endpoint) if known else None
        if document is not None:
            return await self._seen(drop_of(document))
        found = await self._documents.endpoint(endpoint)
        return await self._seen(BlobDrop(endpoint=found.resource.name))

    async def files(
        self, endpoint: str, top: int, continuation: str | None
    ) -> tuple[Sequence[Arrival], str | None]:
        """What no job has taken yet. Raises Invalid for a continuation that was never given."""
        page = await self._store.query(
            blob_drop.ARRIVAL_KIND,
            partition=blob_drop.partition(endpoint),
            where={"taken": False},
            page_size=top,
            continuation=continuation,
        )
        return [arrival_of(document) for document in page.documents], page.continuation

    async def _seen(self, drop: BlobDrop) -> OpenDrop:
        gathers = drop.state is DropState.GATHERING
        if drop.state is DropState.IDLE:
            return OpenDrop(drop, 0, 0, is_complete=True, seals_at=None, deployment=None)
        arrivals, more = await self.files(drop.endpoint, _COUNTED, None)
        files, size = len(arrivals), sum(each.size for each in arrivals)
        if more is not None:
            files, size = max(files, drop.files), max(size, drop.bytes)
        at = drop.seal_at(self._drops.limits(drop))
        seals_at = datetime.fromtimestamp(at, UTC) if gathers else None
        return OpenDrop(drop, files, size, more is None, seals_at, await self._taker(drop))

    async def _taker(self, drop: BlobDrop) -> str | None:
        if drop.options is not None and drop.options.deployment:
            return drop.options.deployment
        document = await self._documents.find(Place(drop.endpoint))
        if document is None:
            return None
        defaults = self._documents.types.endpoint(document).properties.defaults
        return defaults.deployment_name if defaults else None
