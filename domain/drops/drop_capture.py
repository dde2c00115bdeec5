"""What a drop captures: the arrivals no drop has taken yet, as a manifest."""

import json
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

from domain.assets.datastore import INBOX, SYSTEM_CONTAINER
from domain.drops import blob_drop
from domain.drops.blob_drop import Arrival, BlobDrop, Captured, arrival_of
from domain.drops.drop_limits import DropLimits
from domain.drops.drop_options import DropOptions
from domain.errors import BlobNotFound
from domain.jobs.records.globs import NameFilter
from domain.jobs.records.job_plan import lines_of
from domain.ports import BlobStore, Replace, ResourceStore

_PAGE = 100
"""Documents in one transaction, too."""
_PIECE = 256 * 1024


class DropCapture:
    def __init__(self, store: ResourceStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    async def capture(self, drop: BlobDrop, limits: DropLimits) -> Captured:
        """Write a manifest of what is there now, in order of name and as much as `limits`
        allow. It counts once the drop is sealed with it: each attempt writes one of its own.
        Of several arrivals of one name the one that is still there is to be scored; the others
        cannot be read any more."""
        latest: dict[str, Arrival] = {}
        older: list[Arrival] = []
        size = 0
        async for arrival in self._untaken(drop.endpoint):
            size += arrival.size
            too_large = limits.max_bytes is not None and size > limits.max_bytes
            if len(latest) + len(older) >= limits.max_files or (latest and too_large):
                break
            known = latest.get(arrival.name)
            if known is None:
                latest[arrival.name] = arrival
                continue
            last = await self._last(known, arrival)
            latest[arrival.name] = last
            older.append(known if last is arrival else arrival)
        wanted = _filter(drop.options)
        inputs = [a for name, a in sorted(latest.items()) if wanted(name)]
        others = [a for a in latest.values() if not wanted(a.name)] + older
        name = f"drops/{drop.endpoint.casefold()}/{drop.id}-{uuid4().hex[:8]}"
        content = _lines(inputs)
        await self._blobs.write(SYSTEM_CONTAINER, f"{name}.jsonl", content)
        await self._blobs.write(SYSTEM_CONTAINER, f"{name}.others.jsonl", _lines(others))
        folder = inputs[0].name.partition("/")[0] if inputs else drop.endpoint
        if any(a.name.partition("/")[0] != folder for a in inputs):
            folder = ""  # The endpoint's name was written in several ways.
        return Captured(f"{name}.jsonl", len(inputs), folder)

    async def _last(self, one: Arrival, other: Arrival) -> Arrival:
        # Not by their times: arrivals can be told of in any order, and at one moment.
        try:
            there = (await self._blobs.properties(INBOX, one.name)).etag
        except BlobNotFound:
            there = ""
        if there in (one.etag, other.etag):
            return one if there == one.etag else other
        return max(one, other, key=lambda a: (a.at, a.etag))

    async def mark(self, drop: BlobDrop, manifest: str) -> None:
        """Every captured arrival is the drop's. Doing it again changes nothing."""
        for name in manifests(manifest):
            page: list[Arrival] = []
            async for line in lines_of(self._blobs, SYSTEM_CONTAINER, name):
                blob, etag, size, at, *_ = json.loads(line)
                page.append(Arrival(name=blob, etag=etag, size=size, at=at, drop=drop.id))
                if len(page) == _PAGE:
                    await self._write(drop, page)
                    page = []
            if page:
                await self._write(drop, page)

    async def left(self, endpoint: str, limits: DropLimits) -> tuple[int, int]:
        """How many arrivals, and bytes, no drop has taken; counted no further than `limits`."""
        files = size = 0
        async for arrival in self._untaken(endpoint):
            files += 1
            size += arrival.size
            if limits.are_reached(files, size):
                break
        return files, size

    async def _write(self, drop: BlobDrop, arrivals: list[Arrival]) -> None:
        writes = [Replace(a.id, a.to_body(), None) for a in arrivals]
        await self._store.transact(blob_drop.partition(drop.endpoint), writes)

    async def _untaken(self, endpoint: str) -> AsyncIterator[Arrival]:
        continuation: str | None = None
        while True:
            page = await self._store.query(
                blob_drop.ARRIVAL_KIND,
                partition=blob_drop.partition(endpoint),
                where={"taken": False},
                page_size=1000,
                continuation=continuation,
            )
            for document in page.documents:
                yield arrival_of(document)
            continuation = page.continuation
            if continuation is None:
                return


def manifests(manifest: str) -> tuple[str, str]:
    """What a drop has captured, as blobs: what is to be scored, and what is not."""
    return manifest, manifest.removesuffix(".jsonl") + ".others.jsonl"


def _filter(options: DropOptions | None) -> Callable[[str], bool]:
    """Whether a blob of this name is an input of the drop's job."""
    names = NameFilter(options.include, options.exclude) if options else NameFilter((), ())
    if names.is_all:
        return lambda name: not blob_drop.is_marker(name)

    def wanted(name: str) -> bool:
        return not blob_drop.is_marker(name) and names.takes(name.partition("/")[2])

    return wanted


async def _lines(arrivals: list[Arrival]) -> AsyncIterator[bytes]:
    piece = bytearray()
    for a in arrivals:
        piece += json.dumps([a.name, a.etag, a.size, a.at], separators=(",", ":")).encode() + b"\n"
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
