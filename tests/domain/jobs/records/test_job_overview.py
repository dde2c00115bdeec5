"""How far a job is, for whoever follows the text as it grows."""

from datetime import UTC, datetime

import pytest

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.jobs.records.batch_job import BatchJob, InputKind, JobInput, JobOutput
from domain.jobs.records.job_overview import overview
from domain.jobs.records.job_progress import Progress, Tally
from domain.jobs.records.job_status import JobStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = BatchJob(
    name="job",
    endpoint="endpoint",
    deployment="blue",
    settings=BatchDeploymentProperties(),
    inputs=(JobInput(kind=InputKind.FOLDER, uri="u", container="c", path="p"),),
    output=JobOutput(container="c", folder="f", file_name="o.csv", is_own_folder=True),
    created_at=NOW,
    created_by="me",
)


def lines(total: int, done: int, status: JobStatus = JobStatus.RUNNING) -> list[str]:
    tally = Tally(succeeded_mini_batches=done)
    progress = Progress(
        units=total, mini_batches=total, files=total, tally=tally, error_threshold=-1, window=1
    )
    return overview(JOB, progress, status, None, NOW).splitlines()


@pytest.mark.parametrize("total", [1, 3, 10, 57])
def test_lines_are_only_added(total: int) -> None:
    counts = [len(lines(total, done)) for done in range(total + 1)]
    counts.append(len(lines(total, total, JobStatus.COMPLETED)))
    assert counts == sorted(counts)
    assert counts[-1] - counts[0] == min(total, 10) + 1


def test_each_tenth_has_a_line() -> None:
    assert lines(20, 5)[-2:] == ["2 of 20 mini-batches done", "4 of 20 mini-batches done"]


def test_the_last_line_says_how_it_ended() -> None:
    assert lines(1, 1, JobStatus.COMPLETED)[-1] == "Completed"
