"""Computes: clusters that batch jobs name, and namespaces of a Kubernetes cluster.

To batch jobs a cluster is a name with a size, a limit and an idle time: its nodes come with jobs
and are kept for that time after them. `local` is always there. What is attached has instance types
of its own, for online deployments and for jobs.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from domain.computes.cluster_instance_type import AZURES, ClusterInstanceType, TypeName
from domain.computes.container_resources import KUBERNETES_DEFAULT
from domain.ground.resource import Text, TrackedResource
from domain.ports import Cluster, InstanceSize
from domain.values import Value, unsaid

KIND = "compute"
PARTITION = "computes"
LOCAL = "local"
MAX_NODES = 50
DEFAULT_NAMESPACE = "default"
"""Azure ML's, of what is attached."""


class ComputeType(StrEnum):
    AML_COMPUTE = "AmlCompute"
    KUBERNETES = "Kubernetes"


class VmPriority(StrEnum):
    DEDICATED = "Dedicated"
    LOW_PRIORITY = "LowPriority"


class ScaleSettings(Value):
    """A worker that no job needs is kept for the idle time. Where workers are processes of the
    host's machine nothing starts before a job, whatever `min_node_count` says."""

    min_node_count: Annotated[int, Field(ge=0, le=MAX_NODES)] = 0
    max_node_count: Annotated[int, Field(ge=1, le=MAX_NODES)]
    node_idle_time_before_scale_down: Annotated[
        timedelta, Field(ge=timedelta(0), le=timedelta(days=7))
    ] = timedelta(minutes=2)

    @model_validator(mode="after")
    def _ordered(self) -> "ScaleSettings":
        if self.min_node_count > self.max_node_count:
            raise ValueError("minNodeCount is over maxNodeCount")
        return self


NAMESPACE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class ClusterProperties(Value):
    """ARM's AmlComputeProperties, or its KubernetesProperties: `ComputeProperties` says which.
    `vm_priority` and what speaks of node networking are kept and returned: what nodes are is the
    compute's affair."""

    vm_size: Annotated[str | None, unsaid(None)] = None
    vm_priority: VmPriority = VmPriority.DEDICATED
    os_type: str = "Linux"
    scale_settings: Annotated[ScaleSettings | None, unsaid(None)] = None
    remote_login_port_public_access: str = "NotSpecified"
    enable_node_public_ip: bool = True
    namespace: Annotated[str | None, Field(pattern=NAMESPACE), unsaid(None)] = None
    default_instance_type: Annotated[TypeName | None, unsaid(None)] = None
    instance_types: Annotated[dict[TypeName, ClusterInstanceType] | None, unsaid(None)] = None

    @field_validator("os_type")
    @classmethod
    def _linux(cls, value: str) -> str:
        if value.casefold() != "linux":
            raise ValueError("models run on Linux here")
        return "Linux"


OF_AML_COMPUTE = (
    "vm_size",
    "vm_priority",
    "os_type",
    "scale_settings",
    "remote_login_port_public_access",
    "enable_node_public_ip",
)
OF_KUBERNETES = ("namespace", "default_instance_type", "instance_types")
_NEEDED = ("vm_size", "scale_settings")


class ComputeProperties(Value):
    compute_type: ComputeType
    compute_location: str | None = None
    description: Text | None = None
    disable_local_auth: bool = True
    resource_id: Annotated[str | None, unsaid(None)] = None
    """Of what is attached."""
    properties: ClusterProperties

    @field_validator("compute_type", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        found = [each for each in ComputeType if str(value).casefold() == each.value.casefold()]
        if not found:
            raise ValueError(
                "AmlCompute (nodes for batch jobs) and Kubernetes (a namespace of the cluster) are "
                "the computes that there can be here"
            )
        return found[0]

    @field_validator("resource_id")
    @classmethod
    def _is_attached(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("compute_type") is ComputeType.AML_COMPUTE:
            raise ValueError("nothing is attached by an AmlCompute, which has nothing behind it")
        return value or None

    @field_validator("properties", mode="wrap")
    @classmethod
    def _of_its_type(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> ClusterProperties:
        """Every fault at once: those of the fields, and those of the other type."""
        faults: list[InitErrorDetails] = []
        kind = info.data.get("compute_type")
        if kind is not None and isinstance(value, dict | ClusterProperties):
            faults = _faults_of_type(value, kind)
        try:
            found: ClusterProperties = handler(value)
        except ValidationError as error:
            faults = [*(_line(each) for each in error.errors()), *faults]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return found


def _faults_of_type(
    value: dict[str, Any] | ClusterProperties, kind: ComputeType
) -> list[InitErrorDetails]:
    given = value if isinstance(value, dict) else dict(value)
    is_attached = kind is ComputeType.KUBERNETES
    faults = []
    for name in OF_AML_COMPUTE if is_attached else OF_KUBERNETES:
        field = ClusterProperties.model_fields[name]
        alias = str(field.alias)
        said = given.get(name, given.get(alias))
        if said is not None and said != field.default:
            told = f"this is no field of {kind}"
            faults.append(_fault(alias, told, said))
    for name in () if is_attached else _NEEDED:
        alias = str(ClusterProperties.model_fields[name].alias)
        if given.get(name, given.get(alias)) is None:
            faults.append(InitErrorDetails(type="missing", loc=(alias,), input=given))
    return faults


def _fault(name: str, told: str, given: Any) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("value_error", "Value error, {told}", {"told": told}),
        loc=(name,),
        input=given,
    )


def _line(error: Any) -> InitErrorDetails:
    kind = PydanticCustomError(error["type"], "{told}", {"told": error["msg"]})
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"])


class ComputeTarget(TrackedResource):
    properties: ComputeProperties

    @property
    def is_local(self) -> bool:
        return self.name == LOCAL

    @property
    def is_attached(self) -> bool:
        """A namespace of a Kubernetes cluster."""
        return self.properties.compute_type is ComputeType.KUBERNETES

    @property
    def vm_size(self) -> str | None:
        """None of what is attached: its instance types say what there is."""
        return self.properties.properties.vm_size

    @property
    def namespace(self) -> str:
        """Of what is attached."""
        return self.properties.properties.namespace or DEFAULT_NAMESPACE

    @property
    def instance_types(self) -> dict[str, ClusterInstanceType]:
        """By name, in lower case; Azure ML's one is always there."""
        own = self.properties.properties.instance_types or {}
        return {**AZURES, **{name.lower(): each for name, each in own.items()}}

    @property
    def default_instance_type(self) -> str:
        return (self.properties.properties.default_instance_type or KUBERNETES_DEFAULT).lower()

    @property
    def max_node_count(self) -> int:
        settings = self.properties.properties.scale_settings
        return MAX_NODES if settings is None else settings.max_node_count

    @property
    def identity_holder(self) -> str:
        """Who has its identities, as a path below the workspace."""
        return f"{PARTITION}/{self.name}"

    def cluster(
        self, processes_per_node: int, node_size: InstanceSize | None, idle_time: timedelta
    ) -> Cluster:
        """What jobs share that run here. `node_size` is what its VM size means, or its instance
        type; `local` has none: its nodes are as a deployment asks for them. `idle_time` is that of
        what says none."""
        settings = self.properties.properties.scale_settings
        idle = idle_time if settings is None else settings.node_idle_time_before_scale_down
        if self.is_local:
            return Cluster(LOCAL, None, idle, processes_per_node)
        return Cluster(
            self.name.casefold(),
            self.max_node_count * processes_per_node,
            idle,
            processes_per_node,
            0 if settings is None else settings.min_node_count,
            node_size,
        )
