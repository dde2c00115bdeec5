"""A deployment of an online endpoint: model, code, environment, instances, limits."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.resource import EnvironmentVariables, StringMap, Text, TrackedResource
from domain.values import Value

KIND = "onlineDeployment"


def document_id(deployment: str) -> str:
    return f"deployment:{deployment.casefold()}"


class CodeConfiguration(Value):
    """`code_id` names a code version; `scoring_script` is a path inside it."""

    code_id: str | None = None
    scoring_script: Annotated[str, Field(min_length=1, max_length=512)]


def _seconds(low: float, high: float) -> object:
    return Field(ge=timedelta(seconds=low), le=timedelta(seconds=high))


class ProbeSettings(Value):
    """Azure ML's defaults. Durations are ISO 8601 on the wire."""

    initial_delay: Annotated[timedelta, _seconds(0, 3600)] = timedelta(seconds=10)
    period: Annotated[timedelta, _seconds(0.1, 3600)] = timedelta(seconds=10)
    timeout: Annotated[timedelta, _seconds(0.1, 3600)] = timedelta(seconds=2)
    success_threshold: Annotated[int, Field(ge=1, le=100)] = 1
    failure_threshold: Annotated[int, Field(ge=1, le=1000)] = 30


class RequestSettings(Value):
    """Azure ML's limits and defaults."""

    request_timeout: Annotated[timedelta, _seconds(0.001, 300)] = timedelta(seconds=5)
    max_concurrent_requests_per_instance: Annotated[int, Field(ge=1, le=10_000)] = 1
    max_queue_wait: Annotated[timedelta, _seconds(0, 300)] = timedelta(milliseconds=500)


class ScaleType(StrEnum):
    DEFAULT = "Default"
    TARGET_UTILIZATION = "TargetUtilization"


class ScaleSettings(Value):
    """`Default` keeps the instance count of `sku.capacity`."""

    scale_type: ScaleType = ScaleType.DEFAULT


class EndpointComputeType(StrEnum):
    MANAGED = "Managed"
    KUBERNETES = "Kubernetes"
    AZUREML_COMPUTE = "AzureMLCompute"


class OnlineDeploymentProperties(Value):
    """What its user wants of a deployment."""

    model: str | None = None
    model_mount_path: str | None = None
    code_configuration: CodeConfiguration | None = None
    environment_id: str | None = None
    environment_variables: EnvironmentVariables = {}
    instance_type: str | None = None
    endpoint_compute_type: EndpointComputeType = EndpointComputeType.MANAGED
    app_insights_enabled: bool = False
    egress_public_network_access: str = "Enabled"
    description: Text | None = None
    properties: StringMap = {}
    scale_settings: ScaleSettings = ScaleSettings()
    request_settings: RequestSettings = RequestSettings()
    liveness_probe: ProbeSettings = ProbeSettings()
    readiness_probe: ProbeSettings = ProbeSettings()


DEFAULT_INSTANCE_TYPE = "Standard_F4s_v2"
"""What ARM falls back to when a managed deployment names none."""


class OnlineDeployment(TrackedResource):
    """`endpoint` is the endpoint's name. `proven` are the properties that last succeeded: what
    goes on running where an update has failed."""

    endpoint: str
    properties: OnlineDeploymentProperties
    proven: OnlineDeploymentProperties | None = None

    @property
    def instance_count(self) -> int:
        return (self.sku.capacity if self.sku else None) or 1

    @property
    def workload_key(self) -> str:
        return workload_key(self.endpoint, self.name)


def workload_key(endpoint: str, deployment: str) -> str:
    return f"online/{endpoint.casefold()}/{deployment.casefold()}"
