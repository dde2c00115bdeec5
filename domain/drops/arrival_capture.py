"""News of blobs, kept as documents: many at once, in few transactions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from domain.drops import blob_drop
from domain.drops.blob_drop import Arrival, arrival_of
from domain.errors import DocumentExists, DomainError
from domain.ground.grouping import Grouped
from domain.ports import Create, ResourceStore

_TOGETHER = 100
"""As many writes as one transaction takes."""

Kept = bool | DomainError


class ArrivalCapture:
    """Arrivals of one endpoint that come together share a transaction, and one word to the
    drop: `came`, with the endpoint, how many files and bytes are new, and when the last of them
    landed. It holds no more than its waiting callers do."""

    def __init__(
        self, store: ResourceStore, came: Callable[[str, int, int, float], Awaitable[None]]
    ) -> None:
        self._store = store
        self._came = came
        self._groups: dict[str, Grouped[Arrival, Kept]] = {}

    async def keep(self, endpoint: str, arrival: Arrival, *, quietly: bool = False) -> bool:
        """Whether the blob, as it is now, is yet to be taken by a drop. Unless `quietly`, the
        drop then knows that something has come."""
        if quietly:
            return await self._keep_one(endpoint, arrival.id, arrival)
        where = blob_drop.partition(endpoint)
        group = self._groups.get(where)
        if group is None:
            group = self._groups[where] = Grouped(partial(self._keep, endpoint), _TOGETHER)
        try:
            kept = await group(arrival)
        finally:
            if group.is_idle:
                self._groups.pop(where, None)
        if isinstance(kept, DomainError):
            raise kept
        return kept

    async def _keep(self, endpoint: str, arrivals: Sequence[Arrival]) -> Sequence[Kept]:
        ids = [a.id for a in arrivals]
        distinct = dict(zip(ids, arrivals, strict=True))
        try:
            await self._create(endpoint, distinct)
            kept: dict[str, Kept] = dict.fromkeys(distinct, True)
        except DomainError:
            # One of them is known already, or cannot be written: each for itself.
            kept = {id: await self._told(endpoint, id, a) for id, a in distinct.items()}
        new = [distinct[id] for id, one in kept.items() if one is True]
        if new:
            size, landed = sum(a.size for a in new), max(a.at for a in new)
            await self._came(endpoint, len(new), size, landed)
        return [kept[id] for id in ids]

    async def _told(self, endpoint: str, id: str, arrival: Arrival) -> Kept:
        try:
            return await self._keep_one(endpoint, id, arrival)
        except DomainError as error:
            return error

    async def _keep_one(self, endpoint: str, id: str, arrival: Arrival) -> bool:
        try:
            await self._create(endpoint, {id: arrival})
        except DocumentExists:
            found = await self._store.get(blob_drop.partition(endpoint), id)
            return arrival_of(found).drop is None
        return True

    async def _create(self, endpoint: str, arrivals: Mapping[str, Arrival]) -> None:
        writes = [Create(id, a.to_body()) for id, a in arrivals.items()]
        await self._store.transact(blob_drop.partition(endpoint), writes)
