"""A deployment of a batch endpoint: how a job over files is cut, run and joined."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from domain.assets.code_configuration import CodeConfiguration
from domain.batch.mini_batch_cut import (
    MOST_SIZE,
    Cut,
    EachAlone,
    MiniBatchBy,
    MiniBatchCut,
    default_size,
    size_fault,
)
from domain.ground.resource import EnvironmentVariables, StringMap, Text, TrackedResource
from domain.values import Value, unsaid

KIND = "batchDeployment"
KEY_PREFIX = "batch-deployment/"
"""Of what runs of deployments, on the compute: jobs have workloads of their own."""
INT_MAX = 2**31 - 1
DEFAULT_FILE_NAME = "predictions.csv"
"""Azure ML's, whatever the format; what was not chosen gets the format's own suffix."""


def document_id(deployment: str) -> str:
    return f"deployment:{deployment.casefold()}"


class ReferenceType(StrEnum):
    ID = "Id"
    DATA_PATH = "DataPath"
    OUTPUT_PATH = "OutputPath"


class ModelReference(Value):
    """ARM's AssetReferenceBase. A bare string is read as the id it is."""

    reference_type: ReferenceType = ReferenceType.ID
    asset_id: str | None = None
    path: str | None = None
    datastore_id: str | None = None
    job_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_string(cls, value: Any) -> Any:
        return {"asset_id": value} if isinstance(value, str) else value


class OutputAction(StrEnum):
    APPEND_ROW = "AppendRow"
    SUMMARY_ONLY = "SummaryOnly"

    @classmethod
    def _missing_(cls, value: object) -> "OutputAction | None":
        text = str(value).casefold().replace("_", "")
        return next((a for a in cls if a.value.casefold() == text), None)


class OutputFormat(StrEnum):
    """How AppendRow writes rows: real CSV with a header, JSON Lines, a folder of Parquet parts
    (all ours, with input file and row by choice), or the text Azure ML writes (DataFrame rows
    space-separated, no header, else str() a line)."""

    CSV = "Csv"
    JSONL = "Jsonl"
    PARQUET = "Parquet"
    TEXT = "Text"

    @classmethod
    def _missing_(cls, value: object) -> "OutputFormat | None":
        return next((f for f in cls if f.value.casefold() == str(value).casefold()), None)


class RetrySettings(Value):
    """`max_retries` come after the first try; `timeout` is for one mini-batch."""

    max_retries: Annotated[int, Field(ge=0, le=1000)] = 3
    timeout: Annotated[timedelta, Field(ge=timedelta(milliseconds=100), le=timedelta(days=21))] = (
        timedelta(seconds=30)
    )


class Resources(Value):
    instance_count: Annotated[int, Field(ge=1, le=50)] = 1
    instance_type: str | None = None
    properties: dict[str, Any] | None = None


class LoggingLevel(StrEnum):
    INFO = "Info"
    WARNING = "Warning"
    DEBUG = "Debug"

    @classmethod
    def _missing_(cls, value: object) -> "LoggingLevel | None":
        return next((x for x in cls if x.value.casefold() == str(value).casefold()), None)


class BatchDeploymentProperties(Value):
    """What its user wants, with Azure ML's defaults. `mini_batch_size` counts what
    `mini_batch_by` says: files, where it is left out."""

    model: ModelReference | None = None
    code_configuration: CodeConfiguration | None = None
    environment_id: str | None = None
    environment_variables: EnvironmentVariables = {}
    compute: str | None = None
    resources: Resources = Resources()
    mini_batch_by: MiniBatchBy = MiniBatchBy.FILES
    mini_batch_size: Annotated[int, Field(ge=1, le=MOST_SIZE)] = default_size(MiniBatchBy.FILES)
    error_threshold: Annotated[int, Field(ge=-1, le=INT_MAX)] = -1
    retry_settings: RetrySettings = RetrySettings()
    max_concurrency_per_instance: Annotated[int, Field(ge=1, le=64)] = 1
    output_action: OutputAction = OutputAction.APPEND_ROW
    output_file_name: Annotated[str, Field(min_length=1, max_length=255)] = DEFAULT_FILE_NAME
    output_format: OutputFormat = OutputFormat.CSV
    provenance_columns: bool = True
    """Whether rows of Csv, Jsonl and Parquet say which input file and row they come from."""
    bisect_failures: Annotated[bool, unsaid(True)] = True
    """Whether a failed mini-batch is bisected, so that its bad files alone have failed."""
    logging_level: LoggingLevel = LoggingLevel.INFO
    description: Text | None = None
    properties: StringMap = {}
    warnings: Annotated[tuple[str, ...], unsaid(())] = ()
    """What its user should know of how it is run here; nobody asks for them."""

    @model_validator(mode="before")
    @classmethod
    def _size_of_the_unit(cls, value: Any) -> Any:
        if not isinstance(value, dict) or {"mini_batch_size", "miniBatchSize"} & value.keys():
            return value
        by = value.get("mini_batch_by", value.get("miniBatchBy"))
        try:
            return {**value, "mini_batch_size": default_size(MiniBatchBy(str(by)))}
        except ValueError:  # not given, or refused by the field itself
            return value

    @field_validator("mini_batch_size")
    @classmethod
    def _fits_the_unit(cls, size: int, others: ValidationInfo) -> int:
        by = others.data.get("mini_batch_by")
        fault = size_fault(by, size) if by is not None else None
        if fault:
            raise ValueError(fault)
        return size

    def cut(self) -> Cut:
        """For one plan. An MLflow model without a scoring script is given files one by one."""
        if self.code_configuration is None:
            return EachAlone()
        return MiniBatchCut(self.mini_batch_by, self.mini_batch_size)

    @property
    def results_name(self) -> str:
        """The name of the file, for Parquet of the folder, that a job's rows are joined in."""
        own = {OutputFormat.JSONL: ".jsonl", OutputFormat.PARQUET: ".parquet"}
        suffix = own.get(self.output_format)
        if suffix is None or self.output_file_name != DEFAULT_FILE_NAME:
            return self.output_file_name
        return DEFAULT_FILE_NAME.removesuffix(".csv") + suffix


class BatchDeployment(TrackedResource):
    """`endpoint` is the endpoint's name. `proven` are the properties that last succeeded: what
    goes on running where an update has failed."""

    endpoint: str
    properties: BatchDeploymentProperties
    proven: BatchDeploymentProperties | None = None

    @property
    def workload_key(self) -> str:
        """Names the deployment's own environment and files; jobs have workloads of their own."""
        return f"{KEY_PREFIX}{self.endpoint.casefold()}/{self.name.casefold()}"
