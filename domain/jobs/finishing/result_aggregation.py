"""Joining a job's results: one commit of the blocks that its records name, in input order.

No row passes through here (but those of a unit whose columns come in another order). Asked
again it recognises its own work by the job's name in the blob's metadata, so that a crash at
any point is made good by doing it again.
"""

import logging
from dataclasses import dataclass

from domain.errors import BlobNotFound, Conflict, StaleETag
from domain.jobs.finishing.column_alignment import aligned
from domain.jobs.finishing.result_parts import Part
from domain.jobs.finishing.result_rows import HEADER_BLOCK, ResultRows, aligned_block_id, unjoined
from domain.jobs.finishing.retry_layout import LayoutReader
from domain.jobs.records import batch_job, batch_unit
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_store import unit_of
from domain.jobs.records.output_ownership import (
    ALIGNING,
    JOB,
    STATE,
    OutputDisturbed,
    disturbed,
    obstructed,
    state_of,
)
from domain.ports import BlobProperties, BlobStore, Document, ResourceStore

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "text": "text/plain; charset=utf-8",
}

_PAGE = 200
_log = logging.getLogger("ml_endpoints.batch")


@dataclass(frozen=True)
class Joinable:
    """What the records amount to: the parts of the output, and how far the job is once
    units that cannot be joined are counted as failed."""

    rows: ResultRows
    progress: Progress


class ResultAggregation:
    def __init__(self, store: ResourceStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    async def read(self, job: BatchJob, progress: Progress) -> Joinable:
        """Look through the records. The same records give the same answer."""
        rows = await self._rows(job)
        tally = progress.tally
        async for document in records(self._store, job.name):
            unit = unit_of(document).unit
            if not rows.add(unit):
                tally = unjoined(tally, unit)
        return Joinable(rows, progress.but(tally=tally))

    async def _rows(self, job: BatchJob) -> ResultRows:
        """No rows yet; those of a retry have the columns of the rows they are joined to."""
        with_columns = job.output_format in ("csv", "parquet")
        planned = job.planned_retry
        if planned is None:
            return ResultRows(with_columns)
        base = await LayoutReader(self._blobs).base(job.name, planned.plan)
        return ResultRows(with_columns, base.columns, base.types, base.settled)

    async def commit(self, job: BatchJob, rows: ResultRows, *, partial: bool) -> BlobProperties:
        """Write the output. Raises OutputDisturbed."""
        there = await self._there(job)
        state = state_of(partial=partial)
        if there is not None and there.metadata.get(STATE) == state:
            return there
        ids: list[str] = []
        if rows.header:
            await self._stage(job, HEADER_BLOCK, rows.header)
            ids.append(HEADER_BLOCK)
        ids += rows.parts.block_ids
        length = len(rows.header) + rows.parts.length
        if not rows.needs_aligning:
            return await self._commit(job, ids, state, length=length, if_absent=True)
        blob = there or await self._commit(job, ids, ALIGNING, length=length, if_absent=True)
        if blob.metadata.get(STATE) == state:
            return blob
        try:
            ids = [HEADER_BLOCK]
            offset = len(rows.header)
            for part in rows.parts:
                ids += await self._aligned(job, part, offset, blob.etag)
                offset += part.block.length
        except (StaleETag, BlobNotFound):
            # Whoever joins it beside has ended: what is aligned must not be aligned once more.
            return await self.commit(job, rows, partial=partial)
        return await self._commit(job, ids, state, length=None, if_absent=False)

    async def _aligned(self, job: BatchJob, part: Part, offset: int, etag: str) -> list[str]:
        """The blocks that hold the part with the output's columns. Raises StaleETag when the
        output is not the one that is to be aligned any more."""
        if part.order is None:
            return [part.block.id]
        output = job.output
        content = self._blobs.read(
            output.container, output.path, etag=etag, offset=offset, length=part.block.length
        )
        ids: list[str] = []
        async for piece in aligned(content, part.order):
            ids.append(aligned_block_id(part.unit, len(ids)))
            await self._stage(job, ids[-1], piece)
        return ids

    async def _stage(self, job: BatchJob, id: str, content: bytes) -> None:
        await self._blobs.stage_block(job.output.container, job.output.path, id, content)

    async def _commit(
        self, job: BatchJob, ids: list[str], state: str, *, length: int | None, if_absent: bool
    ) -> BlobProperties:
        output = job.output
        try:
            blob = await self._blobs.commit_blocks(
                output.container,
                output.path,
                ids,
                if_absent=if_absent,
                content_type=CONTENT_TYPES[job.output_format],
                metadata={JOB: job.name, STATE: state},
            )
        except Conflict as error:
            own = await self._there(job)
            if own is None:
                raise obstructed(error) from error
            blob = own
        if length is not None and blob.size != length:
            raise OutputDisturbed(
                f"The output '{output.path}' has {blob.size} bytes where the records name "
                f"{length}; its blocks were changed after they were recorded."
            )
        return blob

    async def _there(self, job: BatchJob) -> BlobProperties | None:
        """The output as this job wrote it before. Raises OutputDisturbed for another's."""
        output = job.output
        try:
            blob = await self._blobs.properties(output.container, output.path)
        except BlobNotFound:
            return None
        if blob.metadata.get(JOB) != job.name:
            raise disturbed(output.container, output.path)
        return blob


class _Records:
    """Pages through the units of a job in input order."""

    def __init__(self, store: ResourceStore, job: str, where: dict[str, str | int | bool]) -> None:
        self._store = store
        self._partition = batch_job.partition(job)
        self._where = where
        self._page: list[Document] = []
        self._continuation: str | None = None
        self._ended = False

    def __aiter__(self) -> "_Records":
        return self

    async def __anext__(self) -> Document:
        while not self._page:
            if self._ended:
                raise StopAsyncIteration
            page = await self._store.query(
                batch_unit.KIND,
                partition=self._partition,
                where=self._where,
                page_size=_PAGE,
                continuation=self._continuation,
            )
            self._page = list(reversed(page.documents))
            self._continuation = page.continuation
            self._ended = page.continuation is None
        return self._page.pop()


def records(store: ResourceStore, job: str, **where: str | int | bool) -> _Records:
    """The documents of recorded units, in input order."""
    return _Records(store, job, {"recorded": True, **where})
