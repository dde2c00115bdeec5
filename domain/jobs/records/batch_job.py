"""A batch job: what it reads, how it runs, where its rows go, and how far it has come."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import Field

from domain.assets.asset import DATA
from domain.batch.batch_deployment import BatchDeploymentProperties, OutputAction
from domain.ground.messages import AdvanceJob
from domain.ground.operation import ErrorRecord
from domain.ground.resource import StringMap, Tags, Text
from domain.jobs.records.globs import Globs
from domain.jobs.records.job_plan import Plan
from domain.jobs.records.job_progress import Progress
from domain.jobs.records.job_status import JobStatus
from domain.names import WorkspaceScope, is_asset_reference, parse_asset_reference
from domain.ports import Document, Json
from domain.values import Value, unsaid

KIND = "batchJob"
DOCUMENT_ID = "job"
PROGRESS_ID = "progress"
PROGRESS_KIND = "batchProgress"
NO_SUCCESS = "No succeeded mini batch item returned from run()."
TOLD_BY_RECORDS = frozenset({"ErrorThresholdExceeded", "NoSucceededMiniBatch"})
"""Endings whose reason stands in the records of failed mini-batches."""


def partition(job: str) -> str:
    """Holds the job, its progress and its units, so that one transaction can speak of all."""
    return f"jobs/{job.casefold()}"


def workload_key(job: str) -> str:
    return f"batch/{job.casefold()}"


class InputKind(StrEnum):
    FILE = "UriFile"
    FOLDER = "UriFolder"
    DROP = "Drop"
    WEB_FILE = "WebFile"


class JobInventory(Value):
    """The blob that lists a folder's files, and by which uri it was named."""

    uri: str
    container: str
    path: str


class JobInput(Value):
    """Where a job's files are. FILE: the blob `path`. FOLDER: those below `path` that
    `include` and `exclude` leave. DROP: those that the manifest blob `manifest` of the system
    container names, below `path`. WEB_FILE: what the address `uri` gave when the job was
    planned, copied to the blob `path` below the job's own folder of the system container."""

    name: str = "input"
    kind: InputKind
    uri: str
    container: str
    path: str
    manifest: str | None = None
    include: Globs = ()
    exclude: Globs = ()
    asset_id: Annotated[str | None, unsaid(None)] = None
    """Of the data version that its caller meant, where `uri` does not say it."""
    inventory: Annotated[JobInventory | None, unsaid(None)] = None
    """What lists a FOLDER's files, which is not listed then."""

    def data_id(self, scope: WorkspaceScope) -> str | None:
        """Of the data version that its caller meant, if he named one."""
        if self.asset_id is not None or not is_asset_reference(self.uri, DATA.plural, scope):
            return self.asset_id
        meant = parse_asset_reference(self.uri, DATA.plural, scope)
        if meant.version is None:
            return None
        return scope.path(DATA.plural, meant.name, "versions", meant.version)

    @property
    def shown_uri(self) -> str:
        """Without the query of a web address, which may hold a secret."""
        if self.kind is not InputKind.WEB_FILE:
            return self.uri
        return self.uri.partition("#")[0].partition("?")[0]


class JobOutput(Value):
    """Where a job's results go: the file, or the folder of parts, `file_name` in `folder` of
    `container`. `is_own_folder`: nothing but this job writes to `folder`."""

    container: str
    folder: str
    file_name: str
    is_own_folder: bool

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.file_name}" if self.folder else self.file_name

    @staticmethod
    def part_name(number: int) -> str:
        """In input order, where the results are a folder of parts."""
        return f"part-{number:08d}.parquet"

    def part_path(self, number: int) -> str:
        return f"{self.path}/{self.part_name(number)}"

    @property
    def failures_path(self) -> str:
        """The manifest of failed files, beside the output."""
        if not self.is_own_folder:
            return f"{self.path}.failed_files.jsonl"
        return f"{self.folder}/failed_files.jsonl"

    @property
    def partial_marker_path(self) -> str:
        """There when the output beside it is not the whole one."""
        return f"{self.path}.partial"


class Retry(Value):
    """The ended job `job` whose files without rows this one scores. `results`: where the rows
    of both stand together, in the order of the first job's inputs."""

    job: str
    results: JobOutput


class Ending(Value):
    """How a job that is being finalized, or canceled, will end; no error: completed."""

    error: ErrorRecord | None = None


class PlannedRetry(NamedTuple):
    """A retry whose files are known, and with them what it is joined to."""

    retry: Retry
    plan: Plan


class BatchJob(Value):
    """`settings` are the deployment's with the job's overrides. `chain` and `tick` fence the
    messages that drive the job: of several that name one tick, one goes on. `output` takes the
    rows of its own units; `joined` counts what a retry has joined of its results so far."""

    name: str
    endpoint: str
    deployment: str
    request: str = ""
    """Digest of the request that made it."""
    status: JobStatus = JobStatus.NOT_STARTED
    settings: BatchDeploymentProperties
    inputs: Annotated[tuple[JobInput, ...], Field(min_length=1)]
    output: JobOutput
    overrides: Json = {}
    """What its request says over the deployment's settings."""
    retry: Retry | None = None
    joined: int = 0
    display_name: str | None = None
    experiment_name: str | None = None
    description: Text | None = None
    tags: Tags = {}
    properties: StringMap = {}
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    plan: Plan | None = None
    ending: Ending | None = None
    error: ErrorRecord | None = None
    released: bool = False
    """Whether nothing of it is left on the compute."""
    deleting: bool = False
    is_archived: Annotated[bool, unsaid(False)] = False
    """Whether lists leave it out that do not ask for it."""
    cancel_operation_id: str | None = None
    chain: int = 0
    tick: int = 0

    @property
    def workload_key(self) -> str:
        return workload_key(self.name)

    @property
    def workers(self) -> int:
        """Worker processes at most: so many of its units run at once."""
        settings = self.settings
        return settings.resources.instance_count * settings.max_concurrency_per_instance

    @property
    def writes_rows(self) -> bool:
        return self.settings.output_action is OutputAction.APPEND_ROW

    @property
    def output_format(self) -> str:
        """As the port's UnitRequest has it."""
        return self.settings.output_format.value.casefold() if self.writes_rows else "summary_only"

    @property
    def writes_parts(self) -> bool:
        """Whether its rows become a folder of parts, and not one file."""
        return self.output_format == "parquet"

    def rows_path(self, unit: int) -> str:
        """The blob that a unit's rows are staged for."""
        return self.output.part_path(unit) if self.writes_parts else self.output.path

    @property
    def results(self) -> JobOutput:
        """Where whoever invoked the job looks for its rows."""
        return self.retry.results if self.retry else self.output

    @property
    def planned_retry(self) -> PlannedRetry | None:
        if self.retry is None or self.plan is None:
            return None
        return PlannedRetry(self.retry, self.plan)

    @property
    def logs_folder(self) -> str:
        return f"azureml/{self.name}/logs"

    def moved(self, status: JobStatus, now: datetime, error: ErrorRecord | None = None) -> Self:
        """In `status`. Raises JobTransitionRefused where the table has no such step."""
        new = self.status.to(status)
        started = now if new is JobStatus.RUNNING else self.started_at
        ended = now if new.is_terminal else None
        return self.but(status=new, started_at=started, ended_at=ended, error=error)

    def to_body(self) -> Json:
        return {
            "kind": KIND,
            "endpoint": self.endpoint.casefold(),
            "status": self.status.value,
            "job": self.to_document(),
        }


def from_document(document: Document) -> BatchJob:
    return BatchJob.from_document(document.body["job"])


def message_for(job: BatchJob) -> AdvanceJob:
    """That has its next step taken."""
    return AdvanceJob(job=job.name, chain=job.chain, tick=job.tick)


def progress_body(progress: Progress) -> Json:
    beside = progress.tally.beside()
    return {"kind": PROGRESS_KIND, "progress": progress.to_document(), **beside}


def progress_of(document: Document) -> Progress:
    progress = Progress.from_document(document.body["progress"])
    return progress.model_copy(update={"tally": progress.tally.of(document.body)})


def ending_of(progress: Progress) -> Ending:
    """How a job ends whose progress is over. Raises ValueError for one that is not."""
    tally = progress.tally
    if progress.is_over_threshold:
        return Ending(
            error=ErrorRecord(
                code="ErrorThresholdExceeded",
                message=f"{tally.failed_files} files have failed; the error threshold is "
                f"{progress.error_threshold}. The manifest of failed files says why.",
                target="errorThreshold",
            )
        )
    if not progress.is_complete:
        raise ValueError("the job has units that are not recorded")
    if tally.succeeded_mini_batches == 0:
        return Ending(error=ErrorRecord(code="NoSucceededMiniBatch", message=NO_SUCCESS))
    return Ending()
