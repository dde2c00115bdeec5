"""Planning a retry: the files of an ended job that have no rows, and where theirs will stand.

Files of mini-batches that failed are taken as they are now, for they may have been mended;
those never tried, and pieces of files, as the first job had planned them. Whatever stood
together without rows between is cut anew, but by rows: for that it would have to be read.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import uuid4

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.batch.mini_batch_cut import Cut, MiniBatchBy
from domain.errors import BlobExists, BlobNotFound, Conflict, NotFound
from domain.jobs.finishing.job_scores import MiniBatchScore, scores
from domain.jobs.finishing.parquet_folder import MANIFEST, FolderPart, folder_part
from domain.jobs.finishing.result_aggregation import ResultAggregation
from domain.jobs.finishing.result_rows import ResultRows
from domain.jobs.finishing.retry_layout import Base, KeptRows, LayoutReader, LayoutWriter, OwnRows
from domain.jobs.planning.job_planning import PlanTooLong
from domain.jobs.planning.web_copies import copies_folder
from domain.jobs.records.batch_job import BatchJob, Retry
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_plan import (
    Plan,
    PlannedFile,
    PlanReader,
    PlanSource,
    PlanWriter,
    Weighed,
    unit_size,
)
from domain.jobs.records.output_ownership import JOB
from domain.ports import BlobStore, ResourceStore

_FILES_AT_ONCE = 1000
_LOOKS_AT_ONCE = 32


class BaseGone(Conflict):
    """What the retried job wrote is not there as it wrote it."""

    code = "RetriedOutputGone"


class RetryPlanning:
    def __init__(self, ground: JobGround, aggregation: ResultAggregation) -> None:
        self._store = ground.store
        self._jobs = ground.jobs
        self._blobs = ground.blobs
        self._aggregation = aggregation
        self._most_units = ground.times.most_units

    async def plan(self, job: BatchJob, retry: Retry, *, limit: float) -> Plan:
        """Write the manifests of a plan that is not the job's yet, and its layout. Raises
        NotFound when the retried job was deleted, BaseGone, PlanTooLong after `limit`
        seconds."""
        try:
            async with asyncio.timeout(limit):
                return await self._plan(job, retry)
        except TimeoutError:
            raise PlanTooLong(limit) from None

    async def _plan(self, job: BatchJob, retry: Retry) -> Plan:
        found = await self._jobs.job(retry.job)
        progress = await self._jobs.progress(retry.job)
        if found is None or found.job.plan is None or progress is None:
            raise NotFound(f"The job '{retry.job}' was deleted; it cannot be retried.")
        first, old = found.job, found.job.plan
        rows = (await self._aggregation.read(first, progress.progress)).rows
        id = uuid4().hex[:16]
        sources = await self._sources(first, old, job)
        writer = PlanWriter(self._blobs, job.name, id, _Decided())
        missing = _Missing(self._store, self._blobs, first, old, rows, job, sources)
        layout = LayoutWriter(self._blobs, job.name, id)
        await writer.write(missing.files(layout))
        if not writer.files:
            raise NotFound(f"Every file of the job '{first.name}' has its rows.")
        await layout.end(await self._base(first, rows, missing.kept))
        return old.but(
            id=id,
            sources=sources,
            files=writer.files,
            pieces=writer.pieces,
            cut_files=writer.cut_files,
            bytes=writer.bytes,
            mini_batches=writer.mini_batches,
            unit_size=unit_size(writer.mini_batches, self._most_units),
        )

    async def _sources(self, first: BatchJob, old: Plan, job: BatchJob) -> tuple[PlanSource, ...]:
        """Where the files are. Copies of web files are copied once more: the first job's go
        when it is deleted."""
        theirs, ours = f"{copies_folder(first.name)}/", f"{copies_folder(job.name)}/"
        if not any(source.root.startswith(theirs) for source in old.sources):
            return old.sources
        async for blob in self._blobs.list(SYSTEM_CONTAINER, theirs):
            content = self._blobs.read(SYSTEM_CONTAINER, blob.name)
            name = ours + blob.name.removeprefix(theirs)
            with contextlib.suppress(BlobExists):
                await self._blobs.write(SYSTEM_CONTAINER, name, content, if_absent=True)
        return tuple(
            source.but(root=ours + source.root.removeprefix(theirs))
            if source.container == SYSTEM_CONTAINER and source.root.startswith(theirs)
            else source
            for source in old.sources
        )

    async def _base(self, first: BatchJob, rows: ResultRows, kept: int) -> Base:
        """`kept`: how many bytes of it are rows, or how many parts it has."""
        results = first.results
        path = f"{results.path}/{MANIFEST}" if first.writes_parts else results.path
        length = kept if first.writes_parts else kept + len(rows.header)
        etag = None
        if first.writes_rows and kept:
            try:
                blob = await self._blobs.properties(results.container, path)
            except BlobNotFound:
                blob = None
            changed = blob is not None and not first.writes_parts and blob.size != length
            if blob is None or changed or blob.metadata.get(JOB) != first.name:
                raise BaseGone(
                    f"The output of the job '{first.name}' at '{results.path}' was changed or "
                    "removed, so the rows of a retry cannot be joined to it. Invoke the endpoint "
                    "for the whole input, or retry an earlier job."
                )
            etag = blob.etag
        return Base(
            container=results.container,
            path=results.path,
            etag=etag,
            length=length,
            columns=rows.columns,
            types=rows.types,
            settled=rows.settled,
        )


class _Decided(Cut):
    """Where mini-batches begin was decided by who weighs the files: those weigh 1."""

    def begins(self, weight: int) -> bool:
        return weight == 1


class _Missing:
    """Walks through a job's mini-batches in the order of its output."""

    def __init__(
        self,
        store: ResourceStore,
        blobs: BlobStore,
        first: BatchJob,
        plan: Plan,
        rows: ResultRows,
        job: BatchJob,
        sources: tuple[PlanSource, ...],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._first = first
        self._plan = plan
        self._rows = rows
        self._by = job.settings.mini_batch_by
        self._sources = sources
        self._cutting = job.settings.cut
        self._cut = self._cutting()
        self._plans = PlanReader(blobs)
        self._layouts = LayoutReader(blobs)
        self._offset = len(rows.header)
        self._kept_from = self._offset
        self._own = 0
        self._run = 0
        self.kept = 0

    async def files(self, layout: LayoutWriter) -> AsyncIterator[Weighed]:
        """The files without rows; a mini-batch ends where rows stand between. The layout is
        written meanwhile."""
        held: list[MiniBatchScore] = []
        most = max(1, _FILES_AT_ONCE * self._plan.mini_batches // self._plan.files)
        async for item in self._items():
            if self._has_rows(item):
                async for file in self._read(held, layout):
                    yield file
                held = []
                await self._end_run(layout)
                await self._keep(item, layout)
            if not isinstance(item, MiniBatchScore) or item.succeeded:
                continue
            follows = not held or item.ordinal == held[-1].ordinal + 1
            if held and (not follows or len(held) >= most):
                async for file in self._read(held, layout):
                    yield file
                held = []
            held.append(item)
        async for file in self._read(held, layout):
            yield file
        await self._end_run(layout)
        await self._end_kept(layout)

    async def _items(self) -> AsyncIterator[MiniBatchScore | KeptRows | FolderPart]:
        """Scores of the job's own mini-batches, between what it kept of the one it retried."""
        own = scores(self._store, self._first, self._plan, self._rows)
        if self._first.retry is None:
            async for score in own:
                for each in score.each:
                    yield each
            return
        async for entry in self._layouts.entries(self._first.name, self._plan):
            if not isinstance(entry, OwnRows):
                yield entry
                continue
            for _ in range(entry.count):
                for each in (await anext(own)).each:
                    yield each

    @staticmethod
    def _has_rows(item: MiniBatchScore | KeptRows | FolderPart) -> bool:
        return not isinstance(item, MiniBatchScore) or item.part is not None or item.length > 0

    async def _read(
        self, held: Sequence[MiniBatchScore], layout: LayoutWriter
    ) -> AsyncIterator[Weighed]:
        if not held:
            return
        await self._end_kept(layout)
        numbers = range(held[0].ordinal, held[-1].ordinal + 1)
        found = await self._plans.files(self._first.name, self._plan, numbers)
        for score, planned in zip(held, found, strict=True):
            files = planned if score.only is None else planned[score.only.start : score.only.stop]
            for start in range(0, len(files), _LOOKS_AT_ONCE):
                some = files[start : start + _LOOKS_AT_ONCE]
                some = await asyncio.gather(*(self._looked_at(f, score.tried) for f in some))
                for file in some:
                    begins = self._begins(file, is_first=start == 0 and file is some[0])
                    self._run += begins
                    yield file, int(begins)

    def _begins(self, file: PlannedFile, *, is_first: bool) -> bool:
        """Whether it begins a mini-batch. `is_first`: it began one of the first job."""
        if self._by is MiniBatchBy.ROWS:
            return is_first or not self._run
        return self._cut.begins(1 if self._by is MiniBatchBy.FILES else file.size)

    async def _looked_at(self, file: PlannedFile, tried: bool) -> PlannedFile:
        """As planned where it has gone, too: its mini-batch will say so."""
        source = self._sources[file.source]
        is_own_copy = source != self._plan.sources[file.source]
        if not is_own_copy and (file.piece is not None or not tried):
            return file
        try:
            blob = await self._blobs.properties(*source.place(file))
        except BlobNotFound:
            return file
        return file._replace(etag=blob.etag, size=blob.size)

    async def _end_run(self, layout: LayoutWriter) -> None:
        if self._run:
            await layout.add(OwnRows(self._own, self._run))
            self._own += self._run
            self._run = 0
            self._cut = self._cutting()

    async def _keep(
        self, item: MiniBatchScore | KeptRows | FolderPart, layout: LayoutWriter
    ) -> None:
        if isinstance(item, MiniBatchScore) and item.part is not None:
            item = folder_part(self._first.output, item.part)
        if isinstance(item, FolderPart):
            if self._first.retry is not None:
                # In a folder that was joined, parts are numbered anew.
                item = replace(item, name=self._first.results.part_name(self.kept))
            await layout.add(item)
            self.kept += 1
        else:
            self._offset += item.length
            self.kept += item.length

    async def _end_kept(self, layout: LayoutWriter) -> None:
        if self._offset > self._kept_from:
            await layout.add(KeptRows(self._kept_from, self._offset - self._kept_from))
            self._kept_from = self._offset
