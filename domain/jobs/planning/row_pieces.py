"""Cutting files by rows: one sequential read of each, in which nothing of it is kept.

A file of no more rows than a mini-batch takes stays whole, and goes together with its neighbours;
a larger one becomes pieces, each of which weighs a whole mini-batch.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from domain.errors import BlobNotFound, Invalid, StaleETag
from domain.jobs.planning import parquet_footer
from domain.jobs.planning.row_formats import RowFormat, RowsUnreadable, format_of
from domain.jobs.planning.text_records import TextRecords
from domain.jobs.records.job_plan import PlannedFile, PlanSource, Weighed
from domain.ports import BlobStore, InputPiece

_QUICK = 64 * 1024
"""Bytes that are looked through without leaving the loop."""

_MOST_PIECES = 10_000_000
"""Of a file that tells of its rows without holding a byte for each."""


class InputChanged(Invalid):
    code = "InputChanged"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The input '{name}' was changed or removed while the job was planned. Invoke it again."
        )


class RowPieces:
    """Cuts into pieces of `size` rows."""

    def __init__(self, blobs: BlobStore, sources: Sequence[PlanSource], size: int) -> None:
        self._blobs = blobs
        self._sources = sources
        self._size = size

    async def of(self, files: AsyncIterator[PlannedFile]) -> AsyncGenerator[Weighed, None]:
        """The files, or pieces of them, in order. Raises RowsUnreadable."""
        async for file in files:
            try:
                async with aclosing(self._cut(file)) as pieces:
                    async for weighed in pieces:
                        yield weighed
            except (StaleETag, BlobNotFound):
                raise InputChanged(file.name) from None

    async def _cut(self, file: PlannedFile) -> AsyncGenerator[Weighed, None]:
        format = format_of(file.name)
        found = self._table(file) if format is RowFormat.PARQUET else self._text(file, format)
        async with aclosing(found) as pieces:
            first = await anext(pieces)
            second = await anext(pieces, None)
            if second is None:
                yield file, first.rows
                return
            yield file._replace(piece=first), self._size
            yield file._replace(piece=second), self._size
            async for piece in pieces:
                yield file._replace(piece=piece), self._size

    async def _text(self, file: PlannedFile, format: RowFormat) -> AsyncGenerator[InputPiece, None]:
        records = TextRecords(format, self._size, file.name)
        async for content in self._read(file, 0, file.size):
            if records.pending + len(content) <= _QUICK:
                found = records.feed(content)
            else:
                found = await asyncio.to_thread(records.feed, content)
            for piece in found:
                yield piece
        for piece in await asyncio.to_thread(records.end):
            yield piece

    async def _table(self, file: PlannedFile) -> AsyncGenerator[InputPiece, None]:
        rows = await self._rows_of_table(file)
        if rows > self._size * _MOST_PIECES:
            raise RowsUnreadable(
                f"'{file.name}' says that it has {rows} rows, which makes more than {_MOST_PIECES} "
                f"mini-batches of {self._size}."
            )
        yield InputPiece(0, min(rows, self._size))
        for first in range(self._size, rows, self._size):
            yield InputPiece(first, min(self._size, rows - first))

    async def _rows_of_table(self, file: PlannedFile) -> int:
        end = max(0, file.size - parquet_footer.TAIL)
        tail = b"".join([p async for p in self._read(file, end, file.size - end)])
        length = parquet_footer.footer_length(tail, file.size, file.name)
        footer = b"".join([p async for p in self._read(file, end - length, length)])
        return await asyncio.to_thread(parquet_footer.rows_in, footer, file.name)

    def _read(self, file: PlannedFile, offset: int, length: int) -> AsyncIterator[bytes]:
        container, name = self._sources[file.source].place(file)
        return self._blobs.read(container, name, etag=file.etag, offset=offset, length=length)
