"""What units on nodes are lent, where it is this host's."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from domain.errors import DomainError
from domain.ports import UnitInput, UnitRequest
from infra.compute.node_lending import LentElsewhere, NodeLending
from infra.compute.shelves import SEEN, Shelves
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.nodes.nodes_door import NodesDoor
from infra.rules import blob_urls

_log = logging.getLogger(__name__)

_LARGEST: Final = 64 * 1024
_MOST: Final = 2 * 1024 * 1024

_Blob = tuple[str, str, str | None]


class HostLending(NodeLending):
    """By `door`, which leads to `blobs`; as files on `shelves`, where nodes see them."""

    def __init__(self, door: NodesDoor, blobs: BlobDoor, shelves: Shelves) -> None:
        self._door = door
        self._blobs = blobs
        self._shelves = shelves
        self._lent: set[Path] = set()

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

    async def lend(self, group: str, request: UnitRequest) -> Mapping[str, str]:
        place = self._shelves.place(group, _unit(request))
        if place is None or not place.parent.is_dir():
            return {}
        base = f"{await self._door.url()}/blobs"
        inputs = [each for batch in request.mini_batches for each in batch.inputs if each.etag]
        located = {each.url: (blob_urls.located(base, each.url), each.etag) for each in inputs}
        blobs = {url: (*where, etag) for url, (where, etag) in located.items() if where is not None}
        if not blobs:
            return {}
        self._lent.add(place)
        try:
            links = await self._blobs.links(list(blobs.values()), place)
        except DomainError as error:
            _log.debug("nothing is lent as a file: %s", error)
            return {}
        seen = f"file://{SEEN}/{place.name}"
        return {
            url: f"{seen}/{quote(link)}"
            for url, link in zip(blobs, links, strict=True)
            if link is not None
        }

    def take_back(self, group: str, request: UnitRequest) -> None:
        place = self._shelves.place(group, _unit(request))
        if place is None or (place not in self._lent and not request.resumed):
            return
        self._lent.discard(place)
        asyncio.get_running_loop().run_in_executor(None, _removed, place)


class LaterLending(NodeLending):
    """As `by` says, which is known once its compute is chosen."""

    def __init__(self) -> None:
        self.by: NodeLending = LentElsewhere()

    async def authority(self) -> str:
        return await self.by.authority()

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        return await self.by.contents(inputs)

    async def lend(self, group: str, request: UnitRequest) -> Mapping[str, str]:
        return await self.by.lend(group, request)

    def take_back(self, group: str, request: UnitRequest) -> None:
        self.by.take_back(group, request)


def _unit(request: UnitRequest) -> str:
    """As the name of a folder."""
    return hashlib.sha256(request.attempt_id.encode()).hexdigest()[:32]


def _removed(place: Path) -> None:
    """By name, where a walk would look at each file before: there are two levels, and no other."""
    with suppress(FileNotFoundError):
        for folder in os.listdir(place):
            for name in os.listdir(f"{place}/{folder}"):
                os.unlink(f"{place}/{folder}/{name}")
            os.rmdir(f"{place}/{folder}")
        os.rmdir(place)


def _place(base: str, lent: UnitInput) -> _Blob | None:
    located = None if lent.piece is not None else blob_urls.located(base, lent.url)
    return None if located is None else (*located, lent.etag or None)
