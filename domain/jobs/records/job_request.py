"""What a caller of a batch endpoint sends: Azure ML's body, today's form and that of 2021."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, field_validator

from domain.batch.batch_deployment import INT_MAX, LoggingLevel, OutputFormat
from domain.batch.mini_batch_cut import MOST_SIZE, MiniBatchBy
from domain.ground.resource import EnvironmentVariables, StringMap, Tags, Text
from domain.jobs.records.globs import Globs
from domain.values import Value, unsaid


class RequestedInput(Value):
    """`uri` for UriFile and UriFolder; `value` for Literal, which only pipelines take. Of a
    folder the files that match a glob of `include` (all, where it has none) and none of
    `exclude`; of all that `inventory`, the uri of a CSV, lists where there is one."""

    job_input_type: str
    uri: str | None = None
    include: Globs = ()
    exclude: Globs = ()
    value: Any = None
    description: Text | None = None
    mode: str | None = None
    inventory: Annotated[str | None, unsaid(None)] = None


class RequestedOutput(Value):
    """`uri` is a file for UriFile (the default), a folder for UriFolder."""

    job_output_type: str = "UriFile"
    uri: str | None = None
    description: Text | None = None
    mode: str | None = None


class RequestedDataset(Value):
    """The input as the 2021 body had it."""

    data_input_type: str
    path: str | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    dataset_id: str | None = None


class RequestedOutputFolder(Value):
    """`path` below the datastore `datastore_id`, which may be left out."""

    datastore_id: str | None = None
    path: str | None = None


class RequestedCompute(Value):
    instance_count: Annotated[int, Field(ge=1, le=50)] | None = None


class RequestedRetries(Value):
    max_retries: Annotated[int, Field(ge=0, le=1000)] | None = None
    timeout: (
        Annotated[timedelta, Field(ge=timedelta(milliseconds=100), le=timedelta(days=21))] | None
    ) = None


class JobOverrides(Value):
    """What is left out is as the deployment has it."""

    output_file_name: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    output_format: OutputFormat | None = None
    provenance_columns: bool | None = None
    compute: RequestedCompute | None = None
    mini_batch_by: MiniBatchBy | None = None
    mini_batch_size: Annotated[int, Field(ge=1, le=MOST_SIZE)] | None = None
    max_concurrency_per_instance: Annotated[int, Field(ge=1, le=64)] | None = None
    error_threshold: Annotated[int, Field(ge=-1, le=INT_MAX)] | None = None
    retry_settings: RequestedRetries | None = None
    bisect_failures: Annotated[bool | None, unsaid(None)] = None
    logging_level: LoggingLevel | None = None
    environment_variables: EnvironmentVariables = {}

    @field_validator("environment_variables", mode="before")
    @classmethod
    def _null_is_no_variable(cls, value: Any) -> Any:
        return {} if value is None else value


class JobProperties(JobOverrides):
    """`retry_of` names an ended job whose files without rows are scored: it takes the place of
    an input."""

    input_data: dict[str, RequestedInput] = {}
    dataset: RequestedDataset | None = None
    retry_of: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    output_data: dict[str, RequestedOutput] = {}
    output_dataset: RequestedOutputFolder | None = None
    name: str | None = None
    display_name: Text | None = None
    experiment_name: Text | None = None
    description: Text | None = None
    tags: Tags = {}
    properties: StringMap = {}

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def overrides(self) -> JobOverrides:
        return JobOverrides(**{name: getattr(self, name) for name in JobOverrides.model_fields})


class JobRequest(Value):
    """The whole body of an invocation."""

    properties: JobProperties


class RetryRequest(Value):
    """The body of a request for a retry, which need not have one."""

    properties: JobProperties = JobProperties()
