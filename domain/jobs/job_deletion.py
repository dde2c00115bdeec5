"""Removing an ended job: its documents, its plan and its copies of web files. What it wrote
stays."""

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.errors import DocumentNotFound
from domain.jobs.planning.web_copies import copies_folder
from domain.jobs.records import batch_job, batch_unit
from domain.jobs.records.job_plan import plan_folder
from domain.jobs.records.job_store import StoredJob
from domain.ports import BlobStore, Delete, ResourceStore

_AT_ONCE = 100
"""Writes in one transaction."""


async def purge(store: ResourceStore, blobs: BlobStore, stored: StoredJob) -> None:
    """The job's own document goes last, so that a purge that was cut off is found again."""
    name = stored.job.name
    where = batch_job.partition(name)
    for folder in (plan_folder(name), copies_folder(name)):
        async for blob in blobs.list(SYSTEM_CONTAINER, f"{folder}/"):
            await blobs.delete(SYSTEM_CONTAINER, blob.name)
    while True:
        page = await store.query(batch_unit.KIND, partition=where, page_size=_AT_ONCE)
        if not page.documents:
            break
        await store.transact(where, [Delete(d.id) for d in page.documents])
    for id in (batch_job.PROGRESS_ID, batch_job.DOCUMENT_ID):
        try:
            await store.transact(where, [Delete(id)])
        except DocumentNotFound:
            continue
