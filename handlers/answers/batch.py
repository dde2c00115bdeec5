"""Batch endpoints, their deployments and jobs, as they are shown."""

from datetime import datetime
from typing import Any

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpointProperties
from domain.ground.operation import ErrorRecord
from domain.jobs.records.job_status import JobStatus
from domain.values import Value
from handlers.answers.envelope import Maybe, Provisioned, ResourceAnswer, TrackedAnswer
from handlers.answers.online import IsolationAnswer


class BatchEndpointPropertiesAnswer(BatchEndpointProperties, Provisioned):
    scoring_uri: str
    swagger_uri: None


class BatchEndpointAnswer(TrackedAnswer[BatchEndpointPropertiesAnswer]):
    """A batch endpoint."""


class BatchDeploymentPropertiesAnswer(BatchDeploymentProperties, Provisioned):
    isolation: Maybe[list[IsolationAnswer]] = None


class BatchDeploymentAnswer(TrackedAnswer[BatchDeploymentPropertiesAnswer]):
    """A deployment of a batch endpoint."""


class JobProgressAnswer(Value):
    """Of files that were cut into pieces, the pieces are counted. Rates are those of the last
    stretch, null while they are not known."""

    total_files: int
    succeeded_files: int
    failed_files: int
    files_in_pieces: int
    total_pieces: int
    succeeded_pieces: int
    failed_pieces: int
    total_mini_batches: int
    succeeded_mini_batches: int
    failed_mini_batches: int
    remaining_mini_batches: int
    in_flight: int
    rows: int
    mini_batches_per_second: float | None
    files_per_second: float | None
    estimated_end_time: datetime | None


class JobServiceAnswer(Value):
    job_service_type: str
    endpoint: str


class JobInputAnswer(Value):
    job_input_type: str
    uri: str
    include: Maybe[list[str]] = None
    exclude: Maybe[list[str]] = None


class JobOutputAnswer(Value):
    job_output_type: str
    uri: str
    is_complete: Maybe[bool] = None


class JobPropertiesAnswer(Value):
    job_type: str
    status: JobStatus
    display_name: str
    experiment_name: str
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    services: dict[str, JobServiceAnswer]
    interaction_endpoints: dict[str, JobServiceAnswer]
    inputs: dict[str, JobInputAnswer]
    outputs: dict[str, JobOutputAnswer]
    settings: dict[str, Any]
    progress: JobProgressAnswer | None
    error: ErrorRecord | None
    is_archived: bool
    retry_of: str | None
    endpoint_name: str
    deployment_name: str
    start_time: datetime | None
    end_time: datetime | None


class JobAnswer(ResourceAnswer[JobPropertiesAnswer]):
    """A batch job."""
