"""Joining a job's results: one commit of the blocks that its records name, in input order.

No row passes through here (but those of a unit whose columns come in another order). Asked
again it recognises its own work by the job's name in the blob's metadata, so that a crash at
any point is made good by doing it again.
"""

import logging
from dataclasses import dataclass

from domain.errors import BlobExists, BlobNotFound, Conflict
from domain.jobs import batch_job, batch_unit
from domain.jobs.batch_job import BatchJob
from domain.jobs.batch_progress import Progress
from domain.jobs.column_alignment import aligned
from domain.jobs.job_store import unit_of
from domain.jobs.result_rows import (
    HEADER_BLOCK,
    Part,
    ResultRows,
    aligned_block_id,
    unjoined,
)
from domain.ports import BlobProperties, BlobStore, Document, ResourceStore

JOB = "ml_job"
STATE = "ml_state"
COMPLETE = "complete"
PARTIAL = "partial"
ALIGNING = "aligning"
CSV_TYPE = "text/csv; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"

_PAGE = 500
_log = logging.getLogger("ml_endpoints.batch")


class OutputDisturbed(Conflict):
    """Something else was written to the output's path, or a recorded block is gone."""

    code = "OutputDisturbed"


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
        rows = ResultRows(with_columns=job.output_format == "csv")
        tally = progress.tally
        async for document in records(self._store, job.name):
            unit = unit_of(document).unit
            before = len(rows.unjoinable)
            rows.add(unit)
            if len(rows.unjoinable) > before and unit.record is not None:
                tally = unjoined(tally, unit, unit.record.tally.rows)
        return Joinable(rows, progress.but(tally=tally))

    async def commit(self, job: BatchJob, rows: ResultRows, *, partial: bool) -> BlobProperties:
        """Write the output. Raises OutputDisturbed."""
        there = await self._there(job)
        state = PARTIAL if partial else COMPLETE
        if there is not None and there.metadata.get(STATE) == state:
            return there
        ids: list[str] = []
        if rows.header:
            await self._stage(job, HEADER_BLOCK, rows.header)
            ids.append(HEADER_BLOCK)
        ids += [part.block.id for part in rows.parts]
        length = len(rows.header) + sum(part.block.length for part in rows.parts)
        if not rows.needs_aligning:
            return await self._commit(job, ids, state, length=length, if_absent=True)
        if there is None:
            await self._commit(job, ids, ALIGNING, length=length, if_absent=True)
        ids = [HEADER_BLOCK]
        offset = len(rows.header)
        for part in rows.parts:
            ids += await self._aligned(job, part, offset)
            offset += part.block.length
        return await self._commit(job, ids, state, length=None, if_absent=False)

    async def _aligned(self, job: BatchJob, part: Part, offset: int) -> list[str]:
        """The blocks that hold the part with the output's columns."""
        if part.order is None:
            return [part.block.id]
        output = job.output
        content = self._blobs.read(
            output.container, output.path, offset=offset, length=part.block.length
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
                content_type=CSV_TYPE if job.output_format == "csv" else TEXT_TYPE,
                metadata={JOB: job.name, STATE: state},
            )
        except BlobExists:
            own = await self._there(job)
            if own is None:
                raise
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
            raise OutputDisturbed(
                f"Something else was written to '{output.container}/{output.path}' while the "
                "job ran; it was left as it is, and the job's own rows were not committed."
            )
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
