"""A deployment of an online endpoint: model, code, environment, instances, limits."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from domain.assets.asset_references import revision_of
from domain.assets.code_configuration import CodeConfiguration
from domain.computes.container_resources import ContainerResourceRequirements
from domain.ground.resource import EnvironmentVariables, StringMap, Text, TrackedResource
from domain.online.deployment_scale import DeploymentScale, ScaleBounds
from domain.online.monitoring.data_collector import DataCollector
from domain.values import Value, unsaid

KIND = "onlineDeployment"
KEY_PREFIX = "online/"
"""Of what runs of deployments, on the compute."""


def document_id(deployment: str) -> str:
    return f"deployment:{deployment.casefold()}"


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
    """`Default` keeps the instance count of `sku.capacity`; `TargetUtilization` finds it
    between the bounds. Azure ML's fields and defaults; it has no `min_instances` of 0."""

    scale_type: ScaleType = ScaleType.DEFAULT
    min_instances: Annotated[int, Field(ge=0, le=50)] = 1
    max_instances: Annotated[int, Field(ge=1, le=50)] = 1
    target_utilization_percentage: Annotated[int, Field(ge=1, le=100)] = 70
    polling_interval: Annotated[timedelta, _seconds(1, 3600)] = timedelta(seconds=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError("minInstances is more than maxInstances")
        return self

    def bounds(self, capacity: int) -> ScaleBounds | None:
        """None where the count is fixed. A fixed count of 0 is one instance that sleeps."""
        low, high = self.min_instances, self.max_instances
        if self.scale_type is ScaleType.DEFAULT:
            if capacity:
                return None
            low, high = 0, 1
        return ScaleBounds(
            min_instances=low,
            max_instances=high,
            target_utilization_percentage=self.target_utilization_percentage,
            polling_interval=self.polling_interval,
        )


OPEN = "Enabled"
CLOSED = "Disabled"
"""Whether a deployment's scripts reach other networks."""


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
    container_resource_requirements: Annotated[
        ContainerResourceRequirements | None, unsaid(None)
    ] = None
    endpoint_compute_type: EndpointComputeType = EndpointComputeType.MANAGED
    app_insights_enabled: bool = False
    egress_public_network_access: str = OPEN
    description: Text | None = None
    properties: StringMap = {}
    scale_settings: ScaleSettings = ScaleSettings()
    request_settings: RequestSettings = RequestSettings()
    liveness_probe: ProbeSettings = ProbeSettings()
    readiness_probe: ProbeSettings = ProbeSettings()
    warnings: Annotated[tuple[str, ...], unsaid(())] = ()
    """What its user should know of how it is run here; nobody asks for them."""
    data_collector: Annotated[DataCollector | None, unsaid(None)] = None

    @property
    def is_closed(self) -> bool:
        """Whether its scripts are to reach no network. Stored ones are in any case of letters."""
        return self.egress_public_network_access.casefold() == CLOSED.casefold()

    @property
    def running(self) -> dict[str, Any]:
        """What revisions are made of: those of open ones are as they always were."""
        document = self.to_document()
        return {**document, "closed": True} if self.is_closed else document


WORKER_COUNT = "WORKER_COUNT"
MAX_WORKERS = 64

DEFAULT_INSTANCE_TYPE = "Standard_F4s_v2"
"""What ARM falls back to when a managed deployment names none."""


class OnlineDeployment(TrackedResource):
    """`endpoint` is the endpoint's name. `proven` are the properties that last succeeded: what
    goes on running where an update has failed. `scale` is stored beside it, not in it, and
    only there where a deployment is read to be shown."""

    endpoint: str
    properties: OnlineDeploymentProperties
    proven: OnlineDeploymentProperties | None = None
    scale: Annotated[DeploymentScale | None, Field(exclude=True)] = None

    @property
    def instance_count(self) -> int:
        """What `sku.capacity` asks for: the fixed count, or the first one where the
        deployment is autoscaled."""
        capacity = self.sku.capacity if self.sku else None
        return 1 if capacity is None else capacity

    @property
    def bounds(self) -> ScaleBounds | None:
        """None where the count is fixed."""
        return self.properties.scale_settings.bounds(self.instance_count)

    @property
    def workers(self) -> int:
        """Processes of one instance, by Azure ML's WORKER_COUNT: not more than requests."""
        return workers_of(self.properties)

    @property
    def workload_key(self) -> str:
        return workload_key(self.endpoint, self.name)


def workers_of(asked: OnlineDeploymentProperties) -> int:
    """1 for a number that `workers_fault` refuses."""
    text = asked.environment_variables.get(WORKER_COUNT, "").strip() or "1"
    most = asked.request_settings.max_concurrent_requests_per_instance
    return 1 if workers_fault(text) else min(int(text), most)


def instances_at_first(asked: OnlineDeploymentProperties, capacity: int) -> int:
    """How many it has before its load is known: at least one, so that a deployment is tried
    before anybody's request is."""
    bounds = asked.scale_settings.bounds(capacity)
    return capacity if bounds is None else bounds.clamped(max(capacity, 1))


def workers_fault(asked: str | None) -> str | None:
    """Why WORKER_COUNT will not do, or None."""
    text = (asked or "").strip() or "1"
    if text.isdecimal() and 1 <= int(text[:9]) <= MAX_WORKERS:
        return None
    return f"The processes of one instance are 1 to {MAX_WORKERS}."


def workload_key(endpoint: str, deployment: str) -> str:
    return f"{KEY_PREFIX}{endpoint.casefold()}/{deployment.casefold()}"


def running_revision(deployment: OnlineDeployment) -> str:
    """Names a deployment as it runs: another after every change that its instances would
    notice, and for another deployment of the same name."""
    asked = deployment.properties.running
    return revision_of({**asked, "created_at": deployment.created_at.isoformat()})
