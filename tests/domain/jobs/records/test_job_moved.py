"""Which facts follow from what a job was and is."""

from datetime import UTC, datetime
from typing import Any

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.ground.facts import EventType, Fact
from domain.ground.operation import ErrorRecord
from domain.jobs.records.batch_job import BatchJob, Ending, InputKind, JobInput, JobOutput
from domain.jobs.records.job_facts import job_moved
from domain.jobs.records.job_status import JobStatus

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def job(**changes: Any) -> BatchJob:
    made = BatchJob(
        name="job",
        endpoint="irises",
        deployment="blue",
        settings=BatchDeploymentProperties(),
        inputs=(JobInput(kind=InputKind.FOLDER, uri="u", container="c", path="p"),),
        output=JobOutput(container="c", folder="f", file_name="n", is_own_folder=True),
        created_at=NOW,
        created_by="me",
    )
    return made.but(**changes)


def types(told: list[Fact]) -> list[str]:
    return [fact.type.name for fact in told]


def test_a_job_is_told_at_each_of_its_turns() -> None:
    assert types(job_moved(None, job())) == ["JOB_CREATED"]
    running = job(status=JobStatus.RUNNING)
    assert types(job_moved(job(status=JobStatus.QUEUED), running)) == ["JOB_RUNNING"]
    assert job_moved(running, running.but(tick=4)) == []
    error = ErrorRecord(code="ErrorThresholdExceeded", message="too many")
    finalizing = running.but(status=JobStatus.FINALIZING, ending=Ending(error=error))
    [told] = job_moved(running, finalizing)
    assert told.type is EventType.JOB_ERROR_THRESHOLD_EXCEEDED
    failed = finalizing.but(status=JobStatus.FAILED, error=error)
    [told] = job_moved(finalizing, failed)
    assert (told.type, told.data["error"]["message"]) == (EventType.JOB_FAILED, "too many")
    assert told.subject == "batchEndpoints/irises/jobs/job"
    assert told.data["output"] == {"datastore": "c", "path": "f/n"}
    for status in (JobStatus.COMPLETED, JobStatus.CANCELED):
        [told] = job_moved(running, job(status=status))
        assert told.data["status"] == status.value
