"""The end of a retry: its rows and those of the job it retried, joined in input order.

Ranges of bytes, or whole parts, are copied as streams; no row is looked at. What was copied is
counted in the job's document, so that a crash, or an output larger than one step may take, goes
on where it was.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from domain.errors import BlobNotFound, Conflict, StaleETag
from domain.jobs.finishing.job_scores import MiniBatchScore, scores
from domain.jobs.finishing.parquet_folder import PART_TYPE, FolderPart, ParquetFolder, folder_part
from domain.jobs.finishing.result_aggregation import CONTENT_TYPES
from domain.jobs.finishing.result_rows import ResultRows
from domain.jobs.finishing.retry_layout import Base, KeptRows, LayoutReader, OwnRows
from domain.jobs.records.batch_job import BatchJob, JobOutput, PlannedRetry
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.output_ownership import (
    JOB,
    STATE,
    OutputDisturbed,
    disturbed,
    obstructed,
    state_of,
)
from domain.ports import BlobProperties

PIECE = 8 * 1024 * 1024
"""Bytes that are copied as one block, at least."""
_MOST_PIECES = 45_000
_PARTS_AT_ONCE = 8


@dataclass(frozen=True)
class _Range:
    """Bytes of a blob; of the one that `etag` names, if any."""

    container: str
    path: str
    etag: str | None
    offset: int
    length: int


class RetryJoining:
    """One call takes as long as the times' `join_slice`, about."""

    def __init__(self, ground: JobGround, folder: ParquetFolder) -> None:
        self._store = ground.store
        self._blobs = ground.blobs
        self._layouts = LayoutReader(ground.blobs)
        self._folder = folder
        self._slice = ground.times.join_slice

    async def join(
        self, job: BatchJob, planned: PlannedRetry, rows: ResultRows, *, partial: bool
    ) -> int | None:
        """Go on from `job.joined`. None once the results are there, else what is joined by
        now. `rows` are the job's own, committed before. Raises OutputDisturbed."""
        retry, plan = planned
        base = await self._layouts.base(job.name, plan)
        try:
            if job.writes_parts:
                return await self._parts(job, plan, base, rows, partial=partial)
            return await self._file(job, plan, base, rows, partial=partial)
        except (BlobNotFound, StaleETag) as error:
            raise OutputDisturbed(
                f"The output of the job '{retry.job}' at '{base.path}' was changed or removed "
                f"while its failed files were scored again ({error.message}), so that the rows "
                f"cannot be joined. The retry's own rows are at '{job.output.path}'."
            ) from error

    async def _file(
        self, job: BatchJob, plan: Plan, base: Base, rows: ResultRows, *, partial: bool
    ) -> int | None:
        results, state = job.results, state_of(partial=partial)
        there = await self._there(job, results.path)
        if there is not None and there.metadata.get(STATE) == state:
            return None
        piece = max(PIECE, -(-(base.length + rows.parts.length) // _MOST_PIECES))
        until = time.monotonic() + self._slice
        done = job.joined
        async with aclosing(self._pieces(job, plan, base, rows, piece, done)) as pieces:
            async for content in pieces:
                await self._blobs.stage_block(results.container, results.path, _id(done), content)
                done += 1
                if time.monotonic() >= until:
                    return done
        try:
            await self._blobs.commit_blocks(
                results.container,
                results.path,
                [_id(number) for number in range(done)],
                if_absent=True,
                content_type=CONTENT_TYPES[job.output_format],
                metadata={JOB: job.name, STATE: state},
            )
        except Conflict as error:
            if await self._there(job, results.path) is None:
                raise obstructed(error) from error
        return None

    async def _pieces(
        self, job: BatchJob, plan: Plan, base: Base, rows: ResultRows, size: int, done: int
    ) -> AsyncGenerator[bytes]:
        """The whole output in pieces of `size`, but for its first `done`."""
        skip = size * done
        held = bytearray(rows.header[skip:])
        skip = max(0, skip - len(rows.header))
        async for range in self._ranges(job, plan, base, rows):
            if skip >= range.length:
                skip -= range.length
                continue
            content = self._blobs.read(
                range.container,
                range.path,
                etag=range.etag,
                offset=range.offset + skip,
                length=range.length - skip,
            )
            skip = 0
            async for some in content:
                held += some
                while len(held) >= size:
                    yield bytes(held[:size])
                    del held[:size]
        if held:
            yield bytes(held)

    async def _ranges(
        self, job: BatchJob, plan: Plan, base: Base, rows: ResultRows
    ) -> AsyncIterator[_Range]:
        """What stands after the header, in order."""
        output = job.output
        offset = len(rows.header)
        own = scores(self._store, job, plan, rows)
        async for entry in self._layouts.entries(job.name, plan):
            if isinstance(entry, KeptRows):
                yield _Range(base.container, base.path, base.etag, entry.offset, entry.length)
            elif isinstance(entry, OwnRows):
                length = 0
                async for score in _first(own, entry.count):
                    length += score.length
                if length:
                    yield _Range(output.container, output.path, None, offset, length)
                offset += length

    async def _parts(
        self, job: BatchJob, plan: Plan, base: Base, rows: ResultRows, *, partial: bool
    ) -> int | None:
        results = job.results
        if await self._folder.is_whole(job, results, partial=partial):
            return None
        until = time.monotonic() + self._slice
        done = 0
        async with aclosing(self._sources(job, plan, base, rows)) as sources:
            async for some in _together(sources, _PARTS_AT_ONCE):
                if done >= job.joined:
                    if done > job.joined and time.monotonic() >= until:
                        return done
                    await asyncio.gather(
                        *(
                            self._copy(job, source, part, results.part_path(number))
                            for number, (source, part) in enumerate(some, done)
                        )
                    )
                done += len(some)
        # Walked through once more: a list of the parts would grow with the job.
        named = self._named(job, plan, base, rows)
        await self._folder.write_manifest(
            job, results, rows.columns, rows.types, named, partial=partial
        )
        return None

    async def _named(
        self, job: BatchJob, plan: Plan, base: Base, rows: ResultRows
    ) -> AsyncIterator[FolderPart]:
        """The parts of the results, in order, by the names that they have there."""
        number = 0
        async for _, part in self._sources(job, plan, base, rows):
            yield replace(part, name=job.results.part_name(number))
            number += 1

    async def _sources(
        self, job: BatchJob, plan: Plan, base: Base, rows: ResultRows
    ) -> AsyncGenerator[tuple[_Range, FolderPart]]:
        """The parts of the results, in order, and where each comes from."""
        output = job.output
        own = scores(self._store, job, plan, rows)
        async for entry in self._layouts.entries(job.name, plan):
            if isinstance(entry, FolderPart):
                path = f"{base.path}/{entry.name}"
                yield _Range(base.container, path, None, 0, entry.length), entry
            elif isinstance(entry, OwnRows):
                async for score in _first(own, entry.count):
                    if score.part is not None:
                        part = folder_part(output, score.part)
                        path = f"{output.path}/{part.name}"
                        yield _Range(output.container, path, None, 0, part.length), part

    async def _copy(self, job: BatchJob, source: _Range, part: FolderPart, path: str) -> None:
        container = job.results.container
        try:
            blob = await self._blobs.write(
                container,
                path,
                self._blobs.read(source.container, source.path),
                if_absent=True,
                content_type=PART_TYPE,
                metadata={JOB: job.name},
            )
        except Conflict as error:
            there = await self._there(job, path)
            if there is None:
                raise obstructed(error) from error
            blob = there
        if blob.size != part.length:
            raise OutputDisturbed(
                f"The part '{source.path}' has {blob.size} bytes where {part.length} were written."
            )

    async def _there(self, job: BatchJob, path: str) -> BlobProperties | None:
        """The blob as this job wrote it before. Raises OutputDisturbed for another's."""
        results: JobOutput = job.results
        try:
            blob = await self._blobs.properties(results.container, path)
        except BlobNotFound:
            return None
        if blob.metadata.get(JOB) != job.name:
            raise disturbed(results.container, path)
        return blob


def _id(number: int) -> str:
    return f"joined-{number:08d}"


async def _together(
    sources: AsyncIterator[tuple[_Range, FolderPart]], most: int
) -> AsyncIterator[list[tuple[_Range, FolderPart]]]:
    some: list[tuple[_Range, FolderPart]] = []
    async for source in sources:
        some.append(source)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


async def _first(own: AsyncIterator[MiniBatchScore], count: int) -> AsyncIterator[MiniBatchScore]:
    """The next `count` of them."""
    for _ in range(count):
        yield await anext(own)
