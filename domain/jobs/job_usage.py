"""What a job has moved, kept for whoever reckons what it cost, when the job itself is long gone."""

from datetime import datetime

from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_progress import Progress
from domain.ports import Create, Document, Json
from domain.values import Value

KIND = "jobUsage"


class JobUsage(Value):
    """`read` are the bytes of the inputs of all units that were recorded, `written` those of their
    rows. They count for `day` (2026-01-31, in UTC), on which the job has ended."""

    day: str
    endpoint: str
    deployment: str
    job: str
    tags: dict[str, str] = {}
    read: int = 0
    written: int = 0

    def to_body(self) -> Json:
        return {
            "kind": KIND,
            "day": self.day,
            "month": self.day[:7],
            "usage": self.to_document(),
        }


def usage_of(document: Document) -> JobUsage:
    return JobUsage.from_document(document.body["usage"])


def kept(job: BatchJob, progress: Progress, now: datetime, seconds: float) -> Create:
    """What is written in the transaction that ends the job: once, therefore, whatever crashes. A
    job of the same name that comes when this one is deleted has a document of its own."""
    usage = JobUsage(
        day=now.date().isoformat(),
        endpoint=job.endpoint,
        deployment=job.deployment,
        job=job.name,
        tags=job.tags,
        read=progress.tally.read,
        written=progress.tally.written,
    )
    id = f"usage:{job.created_at.isoformat()}"
    return Create(id, usage.to_body(), ttl=int(seconds))
