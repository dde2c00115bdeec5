"""What units on nodes are lent, where it is this host's."""

from collections.abc import Sequence
from typing import Final

from domain.ports import UnitInput
from infra.compute.node_lending import LentElsewhere, NodeLending
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.nodes.nodes_door import NodesDoor
from infra.rules import blob_urls

_LARGEST: Final = 64 * 1024
_MOST: Final = 2 * 1024 * 1024

_Blob = tuple[str, str, str | None]


class HostLending(NodeLending):
    """By `door`, which leads to `blobs`."""

    def __init__(self, door: NodesDoor, blobs: BlobDoor) -> None:
        self._door = door
        self._blobs = blobs

    async def authority(self) -> str:
        return await self._door.authority()

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        base = f"{await self._door.url()}/blobs"
        places = [_place(base, each) for each in inputs]
        wanted = list(dict.fromkeys(place for place in places if place is not None))
        found = await self._blobs.wholes(wanted, _MOST, _LARGEST)
        there = {
            place: content
            for place, content in zip(wanted, found, strict=False)  # there may be too much of it
            if isinstance(content, bytes)
        }
        return [None if place is None else there.get(place) for place in places]


class LaterLending(NodeLending):
    """As `by` says, which is known once its compute is chosen."""

    def __init__(self) -> None:
        self.by: NodeLending = LentElsewhere()

    async def authority(self) -> str:
        return await self.by.authority()

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        return await self.by.contents(inputs)


def _place(base: str, lent: UnitInput) -> _Blob | None:
    located = None if lent.piece is not None else blob_urls.located(base, lent.url)
    return None if located is None else (*located, lent.etag or None)
