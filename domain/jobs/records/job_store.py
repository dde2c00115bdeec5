"""Reading and writing the documents of jobs."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.jobs.records import batch_job, batch_unit
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.batch_unit import Unit
from domain.jobs.records.job_progress import Progress
from domain.ports import Create, Document, Replace, ResourceStore

_REMEMBERED = 256
_TRIES = 5


@dataclass(frozen=True)
class StoredJob:
    """A job as it stands. `document` carries the ETag."""

    job: BatchJob
    document: Document

    def replaced(self, job: BatchJob, due_at: float | None) -> Replace:
        return Replace(self.document.id, job.to_body(), self.document.etag, due_at=due_at)


@dataclass(frozen=True)
class StoredProgress:
    progress: Progress
    document: Document

    def replaced(self, progress: Progress) -> Replace:
        body = batch_job.progress_body(progress)
        return Replace(self.document.id, body, self.document.etag)


@dataclass(frozen=True)
class StoredUnit:
    unit: Unit
    document: Document

    def replaced(self, unit: Unit) -> Replace:
        return Replace(self.document.id, unit.to_body(), self.document.etag)


class JobStore:
    """A job, its progress and its units share a partition."""

    def __init__(self, store: ResourceStore) -> None:
        self.store = store
        self._read: dict[str, StoredJob] = {}

    async def job(self, name: str) -> StoredJob | None:
        document = await self._get(name, batch_job.DOCUMENT_ID)
        return self.read(document) if document else None

    def read(self, document: Document) -> StoredJob:
        # It is read for every unit and seldom changes: understood once for each ETag.
        known = self._read.pop(document.partition, None)
        if known is None or known.document.etag != document.etag:
            known = StoredJob(batch_job.from_document(document), document)
        self._read[document.partition] = known
        if len(self._read) > _REMEMBERED:
            self._read.pop(next(iter(self._read)))
        return known

    async def progress(self, name: str) -> StoredProgress | None:
        document = await self._get(name, batch_job.PROGRESS_ID)
        return StoredProgress(batch_job.progress_of(document), document) if document else None

    async def unit(self, name: str, ordinal: int) -> StoredUnit | None:
        document = await self._get(name, batch_unit.document_id(ordinal))
        return unit_of(document) if document else None

    async def create_unit(self, name: str, unit: Unit) -> StoredUnit:
        """Raises DocumentExists: somebody else has made it."""
        [created] = await self.create_units(name, [unit])
        return created

    async def create_units(self, name: str, units: Sequence[Unit]) -> list[StoredUnit]:
        """All or none of them. Raises DocumentExists."""
        creates = [Create(batch_unit.document_id(each.ordinal), each.to_body()) for each in units]
        try:
            documents = await self.store.transact(batch_job.partition(name), creates)
        except DocumentExists:
            # A create whose answer got lost on the way was tried again, and met itself.
            found = [await self.unit(name, each.ordinal) for each in units]
            ours = [f for f, each in zip(found, units, strict=True) if f and f.unit == each]
            if len(ours) < len(units):
                raise
            return ours
        return [StoredUnit(unit, document) for unit, document in zip(units, documents, strict=True)]

    async def replace_unit(self, name: str, stored: StoredUnit, unit: Unit) -> StoredUnit:
        """Raises StaleETag (somebody else has changed it), or DocumentNotFound."""
        # `stored.unit` may have been taken further than its document.
        before = unit_of(stored.document).unit
        for _ in range(_TRIES):
            write = stored.replaced(unit)
            try:
                [document] = await self.store.transact(batch_job.partition(name), [write])
            except StaleETag:
                # As above; and an ETag may move while what it stands for does not.
                found = await self.unit(name, unit.ordinal)
                if found is not None and found.unit == unit:
                    return found
                if found is None or found.unit != before:
                    raise
                stored = found
            else:
                return StoredUnit(unit, document)
        raise StaleETag(f"Unit {unit.ordinal} of job '{name}' found no turn.")

    async def _get(self, name: str, id: str) -> Document | None:
        try:
            return await self.store.get(batch_job.partition(name), id)
        except DocumentNotFound:
            return None


def unit_of(document: Document) -> StoredUnit:
    return StoredUnit(Unit.from_body(document.body), document)
