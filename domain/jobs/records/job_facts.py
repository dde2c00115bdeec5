"""What is told of a batch job."""

from domain.ground.facts import EventType, Fact
from domain.ground.operation import ErrorRecord
from domain.jobs.records.batch_job import BatchJob
from domain.jobs.records.job_status import JobStatus
from domain.ports import Json

_JOB = {
    JobStatus.RUNNING: EventType.JOB_RUNNING,
    JobStatus.COMPLETED: EventType.JOB_COMPLETED,
    JobStatus.FAILED: EventType.JOB_FAILED,
    JobStatus.CANCELED: EventType.JOB_CANCELED,
}


def job_moved(old: BatchJob | None, new: BatchJob) -> list[Fact]:
    """What has become of a batch job."""
    if old is None:
        return [_job_fact(EventType.JOB_CREATED, new)]
    facts: list[Fact] = []
    ending = new.ending.error if new.ending else None
    if old.ending is None and ending is not None and ending.code == "ErrorThresholdExceeded":
        facts.append(_job_fact(EventType.JOB_ERROR_THRESHOLD_EXCEEDED, new, ending))
    if new.status is not old.status and new.status in _JOB:
        facts.append(_job_fact(_JOB[new.status], new, new.error))
    return facts


def _job_fact(type: EventType, job: BatchJob, error: ErrorRecord | None = None) -> Fact:
    data: Json = {
        "job": job.name,
        "endpoint": job.endpoint,
        "deployment": job.deployment,
        "status": job.status.value,
        "createdBy": job.created_by,
    }
    if job.tags:
        data["tags"] = dict(job.tags)
    if job.status.is_terminal:
        data["output"] = {"datastore": job.output.container, "path": job.output.path}
    if error is not None:
        data["error"] = error.to_document()
    return Fact(type=type, subject=f"batchEndpoints/{job.endpoint}/jobs/{job.name}", data=data)
