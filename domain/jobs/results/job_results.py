"""What a job has written, for whoever looks at it: its files, their first rows, what failed."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from domain.assets.datastore import URL_VALIDITY
from domain.errors import BlobNotFound, Invalid, NotFound
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.job_output_places import places_of
from domain.jobs.planning import parquet_footer
from domain.jobs.planning.row_formats import RowsUnreadable
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_plan import PlannedFile
from domain.jobs.results.first_rows import LOOKED_AT, FirstRows, first_rows
from domain.jobs.results.zip_stream import zipped
from domain.ports import BlobFolder, BlobProperties, BlobStore, Permission
from domain.ports.records.table_rows import ParquetRows

_READ: Final = frozenset({Permission.READ})
_LONGEST_LINE: Final = 2**20
_LARGEST_TABLE: Final = 256 * 2**20
"""Bytes of a file that is copied to this machine for its first rows."""


@dataclass(frozen=True)
class OutputFile:
    """`path` is below the output: '' for an output that is one file. `url` opens it for an hour."""

    path: str
    blob: BlobProperties
    url: str


@dataclass(frozen=True)
class FailedInput:
    """A line of the failure manifest, and where its file can be read for an hour; None where it is
    not there any more."""

    told: dict[str, Any]
    url: str | None


class JobResults:
    def __init__(self, jobs: BatchJobs, blobs: BlobStore, parquet: ParquetRows) -> None:
        self._jobs = jobs
        self._blobs = blobs
        self._parquet = parquet

    async def files(
        self, job: str, output: str, top: int, continuation: str | None
    ) -> tuple[list[OutputFile], str | None]:
        """In order of name. Raises NotFound for a job or an output that is not there."""
        place = await self._place(job, output)
        found: list[OutputFile] = []
        async for path, blob in self._below(place):
            if continuation is not None and path <= continuation:
                continue
            if len(found) == top:
                return found, found[-1].path
            url = await self._blobs.sign(place.container, blob.name, _READ, URL_VALIDITY)
            found.append(OutputFile(path, blob, url))
        return found, None

    async def first_rows(self, job: str, output: str, path: str, most: int) -> FirstRows:
        """Of the file at `path`; of the first one where none is said. Raises NotFound."""
        place = await self._place(job, output)
        blob = await self._file(place, path)
        size, pieces = 0, []
        async for piece in self._blobs.read(
            place.container, blob.name, etag=blob.etag, length=min(LOOKED_AT, blob.size)
        ):
            pieces.append(piece)
            size += len(piece)
        beginning, is_whole = b"".join(pieces), size >= blob.size
        found = await asyncio.to_thread(
            first_rows, blob.name, beginning, is_whole=is_whole, most=most
        )
        if found.kind == "parquet":
            return await self._parquet_rows(place, blob, most)
        return found

    async def _parquet_rows(self, place: BlobFolder, blob: BlobProperties, most: int) -> FirstRows:
        total = await self._rows_in(place, blob)
        if blob.size > _LARGEST_TABLE:
            why = f"Rows are shown of Parquet files of up to {_LARGEST_TABLE // 2**20} MiB."
            return FirstRows("parquet", None, [], False, total, why)
        content = self._blobs.read(place.container, blob.name, etag=blob.etag)
        found = await self._parquet.first(content, most)
        is_whole = total is not None and len(found.rows) == total
        return FirstRows("parquet", found.columns, found.rows, is_whole, total, found.why)

    async def zipped(self, job: str, output: str) -> AsyncIterator[bytes]:
        """All files of an output. Raises NotFound."""
        place = await self._place(job, output)
        name = place.path.rpartition("/")[2]

        async def named() -> AsyncIterator[tuple[str, BlobProperties]]:
            async for path, blob in self._below(place):
                yield path or name, blob

        return zipped(self._blobs, place.container, named())

    async def failures(
        self, job: str, top: int, continuation: str | None
    ) -> tuple[list[FailedInput], str | None]:
        """The inputs that have no rows, and why, in input order. Raises NotFound."""
        found = (await self._jobs.get(job)).job
        results = found.results
        offset = _offset(continuation)
        lines: list[bytes] = []
        rest, at = b"", offset
        try:
            async for piece in self._blobs.read(
                results.container, results.failures_path, offset=offset
            ):
                *whole, rest = (rest + piece).split(b"\n")
                lines += whole
                if len(lines) > top or len(rest) > _LONGEST_LINE:
                    break
        except BlobNotFound:
            return [], None
        more = len(lines) > top
        for line in lines[:top]:
            at += len(line) + 1
        failed = [await self._failed(found, line) for line in lines[:top] if line]
        return failed, str(at) if more else None

    async def _failed(self, job: BatchJob, line: bytes) -> FailedInput:
        told: dict[str, Any] = json.loads(line)
        place = _place_of(job, str(told.get("file", "")))
        if place is None:
            return FailedInput(told, None)
        try:
            await self._blobs.properties(*place)
        except BlobNotFound:
            return FailedInput(told, None)
        return FailedInput(told, await self._blobs.sign(*place, _READ, URL_VALIDITY))

    async def _place(self, job: str, output: str) -> BlobFolder:
        found = places_of((await self._jobs.get(job)).job)
        if output not in found:
            raise NotFound(
                f"Job '{job[:100]}' has no output '{output[:100]}'; it has {', '.join(found)}."
            )
        return found[output]

    async def _below(self, place: BlobFolder) -> AsyncIterator[tuple[str, BlobProperties]]:
        try:
            yield "", await self._blobs.properties(place.container, place.path)
        except BlobNotFound:
            folder = f"{place.path}/"
            async for blob in self._blobs.list(place.container, folder):
                yield blob.name.removeprefix(folder), blob

    async def _file(self, place: BlobFolder, path: str) -> BlobProperties:
        if path:
            try:
                return await self._blobs.properties(place.container, f"{place.path}/{path}")
            except BlobNotFound:
                raise NotFound(f"The output has no file '{path[:200]}'.") from None
        async for _, blob in self._below(place):
            return blob
        raise NotFound("Nothing is written there yet.")

    async def _rows_in(self, place: BlobFolder, blob: BlobProperties) -> int | None:
        """None for what is no Parquet file."""
        try:
            tail = await self._end(place, blob, parquet_footer.TAIL)
            length = parquet_footer.footer_length(tail, blob.size, blob.name)
            footer = (await self._end(place, blob, length + parquet_footer.TAIL))[:length]
            return await asyncio.to_thread(parquet_footer.rows_in, footer, blob.name)
        except RowsUnreadable:
            return None

    async def _end(self, place: BlobFolder, blob: BlobProperties, size: int) -> bytes:
        offset = max(blob.size - size, 0)
        read = self._blobs.read(place.container, blob.name, etag=blob.etag, offset=offset)
        return b"".join([piece async for piece in read])


def _place_of(job: BatchJob, file: str) -> tuple[str, str] | None:
    """Where an input is that outputs call so."""
    for number, source in enumerate(job.plan.sources if job.plan else ()):
        if file.startswith(source.prefix):
            return source.place(PlannedFile(file, "", 0, number))
    return None


def _offset(continuation: str | None) -> int:
    if continuation is None:
        return 0
    if not (continuation.isascii() and continuation.isdigit() and len(continuation) < 17):
        raise Invalid("The $skip is none of this list's.", target="$skip")
    return int(continuation)
