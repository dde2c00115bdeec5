"""A job's plan: which files stand in which mini-batch, written once as manifest blobs.

A segment holds up to 1,000 mini-batches: `jobs/{job}/plan/{plan}/{segment:05d}.jsonl` has a
line for each file, or piece of one, and `….index` the byte offset where each mini-batch begins, so
that a unit reads its own lines only. A planner writes under an id of its own and the job's
document then names the one plan that counts: planners that were interrupted, or doubled, leave no
trace in it.
"""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple, fields
from typing import Annotated, NamedTuple

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.batch.mini_batch_cut import Cut
from domain.ports import BlobStore, InputPiece
from domain.values import Value, unsaid

MINI_BATCHES_PER_SEGMENT = 1000

_PIECE = 256 * 1024
_INDEXES_KEPT = 256
_READ_AHEAD = 32
"""Mini-batches whose lines are read together, if they are no more than 64 KiB."""
_TOGETHER = 64 * 1024
_TEXTS_KEPT = 128
_PIECE_VALUES = len(fields(InputPiece))


def plan_folder(job: str) -> str:
    return f"jobs/{job}/plan"


_encode = json.JSONEncoder(separators=(",", ":")).encode


class PlannedFile(NamedTuple):
    """A file, or a piece of one. `name` is what outputs show: below its source, after the
    source's prefix. `size` is the whole file's, in bytes."""

    name: str
    etag: str
    size: int
    source: int = 0
    piece: InputPiece | None = None

    def line(self) -> bytes:
        line: list[object] = [self.name, self.etag, self.size]
        if self.source or self.piece:
            line.append(self.source)
        if self.piece:
            line.append(astuple(self.piece))
        return _encode(line).encode() + b"\n"

    @classmethod
    def from_lines(cls, lines: bytes) -> "list[PlannedFile]":
        found = json.loads(b"[%b]" % b",".join(lines.splitlines()))
        return [cls._planned(*values) for values in found]

    @classmethod
    def _planned(
        cls,
        name: str,
        etag: str,
        size: int,
        source: int = 0,
        piece: Sequence[int] | None = None,
        *_: object,
    ) -> "PlannedFile":
        """Of a line's values; what a newer process says after those known here is read over."""
        return cls(name, etag, size, source, InputPiece(*piece[:_PIECE_VALUES]) if piece else None)

    @property
    def weight(self) -> int:
        """The bytes of it that a worker reads; a Parquet file's, by rows, with its first piece."""
        if self.piece is None or not self.piece.length:
            return self.size if self.begins else 0
        return self.piece.header + self.piece.length

    @property
    def begins(self) -> bool:
        """Whether it is a file's first piece, or the whole of it."""
        return self.piece is None or self.piece.first_row == 0


Weighed = tuple[PlannedFile, int]
"""A file and what it weighs in the unit that mini-batches are measured in."""


class PlanSource(Value):
    """Where files of a plan are: the blob of `{prefix}{path}` is `{root}{path}` in
    `container`. The prefix tells the files of several inputs apart."""

    container: str
    root: str
    prefix: str = ""

    def place(self, file: PlannedFile) -> tuple[str, str]:
        """The container and name of the file's blob."""
        return self.container, self.root + file.name.removeprefix(self.prefix)


class Plan(Value):
    """What a job's manifests amount to. `files` counts a piece of a file as a file; `bytes`
    counts each file once. `pieces` of them are such, of `cut_files` files."""

    id: str
    sources: tuple[PlanSource, ...]
    files: int
    bytes: int
    mini_batches: int
    unit_size: int
    """Mini-batches in a unit, the last one's apart."""
    pieces: Annotated[int, unsaid(0)] = 0
    cut_files: Annotated[int, unsaid(0)] = 0

    @property
    def whole_and_cut_files(self) -> int:
        """Files, each counted once."""
        return self.files - self.pieces + self.cut_files

    @property
    def units(self) -> int:
        return -(-self.mini_batches // self.unit_size)

    def mini_batches_of(self, unit: int) -> range:
        start = unit * self.unit_size
        return range(start, min(start + self.unit_size, self.mini_batches))

    def place(self, file: PlannedFile) -> tuple[str, str]:
        """The container and name of the file's blob."""
        return self.sources[file.source].place(file)


def unit_size(mini_batches: int, most_units: int) -> int:
    """1 until a job has more than `most_units` mini-batches."""
    return max(1, -(-mini_batches // most_units))


class PlanWriter:
    """Writes segments as files come; holds a piece of one at a time."""

    def __init__(self, blobs: BlobStore, job: str, plan: str, cut: Cut) -> None:
        self._blobs = blobs
        self._folder = f"{plan_folder(job)}/{plan}"
        self._cut = cut
        self._offsets: list[int] = []
        self._ahead: PlannedFile | None = None
        self.files = 0
        self.bytes = 0
        self.mini_batches = 0
        self.pieces = 0
        self.cut_files = 0
        self._cut_file: tuple[int, str] | None = None

    async def write(self, files: AsyncIterator[Weighed]) -> None:
        await self._next(files)
        segment = 0
        while self._ahead is not None:
            name = f"{self._folder}/{segment:05d}"
            await self._blobs.write(SYSTEM_CONTAINER, f"{name}.jsonl", self._segment(files))
            index = json.dumps(self._offsets).encode()
            await self._blobs.write(SYSTEM_CONTAINER, f"{name}.index", index)
            segment += 1

    async def _segment(self, files: AsyncIterator[Weighed]) -> AsyncIterator[bytes]:
        self._offsets = [0]
        piece = bytearray()
        written = 0
        while self._ahead is not None and len(self._offsets) <= MINI_BATCHES_PER_SEGMENT:
            file = self._ahead
            piece += file.line()
            self.files += 1
            self.bytes += file.size if file.begins else 0
            if file.piece is not None:
                self._count_piece(file)
            if await self._next(files):
                self._offsets.append(written + len(piece))
                self.mini_batches += 1
            if len(piece) >= _PIECE:
                written += len(piece)
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    def _count_piece(self, file: PlannedFile) -> None:
        """The pieces of a file follow on each other."""
        self.pieces += 1
        of = (file.source, file.name)
        self.cut_files += of != self._cut_file
        self._cut_file = of

    async def _next(self, files: AsyncIterator[Weighed]) -> bool:
        """Look at the next file; whether the mini-batch before it is complete."""
        ahead = await anext(files, None)
        if ahead is None:
            self._ahead = None
            return True
        self._ahead, weight = ahead
        return self._cut.begins(weight)


class PlanReader:
    """Reads the files of single mini-batches; remembers where they begin in some segments."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._indexes: OrderedDict[str, Sequence[int]] = OrderedDict()
        self._texts: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    async def files(self, job: str, plan: Plan, mini_batches: range) -> list[list[PlannedFile]]:
        """The files of each of `mini_batches`, which are consecutive."""
        found: list[list[PlannedFile]] = []
        first = mini_batches.start
        while first < mini_batches.stop:
            segment, start = divmod(first, MINI_BATCHES_PER_SEGMENT)
            stop = min(mini_batches.stop - first + start, MINI_BATCHES_PER_SEGMENT)
            found += await self._within(f"{plan_folder(job)}/{plan.id}/{segment:05d}", start, stop)
            first += stop - start
        return found

    async def _within(self, segment: str, start: int, stop: int) -> list[list[PlannedFile]]:
        index = await self._index(segment)
        begin, text = await self._text(segment, index, start, stop)
        return [
            PlannedFile.from_lines(text[index[m] - begin : index[m + 1] - begin])
            for m in range(start, stop)
        ]

    async def _text(
        self, segment: str, index: Sequence[int], start: int, stop: int
    ) -> tuple[int, bytes]:
        """Lines from the offset that is told on, with those of the mini-batches to come: they
        are asked for next, one by one."""
        first = start - start % _READ_AHEAD
        last = min(first + _READ_AHEAD, len(index) - 1)
        if stop > last or index[last] - index[first] > _TOGETHER:
            begin, length = index[start], index[stop] - index[start]
            return begin, await self._lines(segment, begin, length)
        known = self._texts.pop((segment, first), None)
        if known is None:
            known = await self._lines(segment, index[first], index[last] - index[first])
        self._texts[segment, first] = known
        if len(self._texts) > _TEXTS_KEPT:
            self._texts.popitem(last=False)
        return index[first], known

    async def _lines(self, segment: str, begin: int, length: int) -> bytes:
        name = f"{segment}.jsonl"
        return await read_whole(self._blobs, SYSTEM_CONTAINER, name, offset=begin, length=length)

    async def _index(self, segment: str) -> Sequence[int]:
        known = self._indexes.get(segment)
        if known is None:
            text = await read_whole(self._blobs, SYSTEM_CONTAINER, f"{segment}.index")
            known = self._indexes[segment] = json.loads(text)
            if len(self._indexes) > _INDEXES_KEPT:
                self._indexes.popitem(last=False)
        return known


async def read_whole(
    blobs: BlobStore, container: str, name: str, *, offset: int = 0, length: int | None = None
) -> bytes:
    """A blob, or a range of it, known to be small."""
    pieces = [p async for p in blobs.read(container, name, offset=offset, length=length)]
    return b"".join(pieces)


async def lines_of(blobs: BlobStore, container: str, name: str) -> AsyncIterator[bytes]:
    """A blob's lines as a stream, each without its newline."""
    rest = b""
    async for piece in blobs.read(container, name):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest
