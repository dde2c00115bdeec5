"""Computes: clusters that batch jobs name, and what they may ask of them.

To batch jobs a cluster is a name with a size, a limit and an idle time: its nodes come with jobs
and are kept for that time after them. `local` is always there.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from domain.ground.resource import Text, TrackedResource
from domain.ports import Cluster, InstanceSize
from domain.values import Value

KIND = "compute"
PARTITION = "computes"
LOCAL = "local"
MAX_NODES = 50


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


class ClusterProperties(Value):
    """ARM's AmlCompute. `vm_priority` and what speaks of node networking are kept and
    returned: what nodes are is the compute's affair."""

    vm_size: str
    vm_priority: VmPriority = VmPriority.DEDICATED
    os_type: str = "Linux"
    scale_settings: ScaleSettings
    remote_login_port_public_access: str = "NotSpecified"
    enable_node_public_ip: bool = True

    @field_validator("os_type")
    @classmethod
    def _linux(cls, value: str) -> str:
        if value.casefold() != "linux":
            raise ValueError("models run on Linux here")
        return "Linux"


class ComputeProperties(Value):
    compute_type: str
    compute_location: str | None = None
    description: Text | None = None
    disable_local_auth: bool = True
    properties: ClusterProperties

    @field_validator("compute_type")
    @classmethod
    def _cluster(cls, value: str) -> str:
        if value.casefold() != "amlcompute":
            raise ValueError(
                "only AmlCompute can be made here: batch jobs run on clusters, online "
                "deployments on instances of their own"
            )
        return "AmlCompute"


class ComputeTarget(TrackedResource):
    properties: ComputeProperties

    @property
    def is_local(self) -> bool:
        return self.name == LOCAL

    @property
    def vm_size(self) -> str:
        return self.properties.properties.vm_size

    @property
    def max_node_count(self) -> int:
        return self.properties.properties.scale_settings.max_node_count

    @property
    def identity_holder(self) -> str:
        """Who has its identities, as a path below the workspace."""
        return f"{PARTITION}/{self.name}"

    def cluster(self, processes_per_node: int, node_size: InstanceSize | None) -> Cluster:
        """What jobs share that run here. `node_size` is what its VM size means; `local` has none:
        its nodes are as a deployment asks for them."""
        settings = self.properties.properties.scale_settings
        idle = settings.node_idle_time_before_scale_down
        if self.is_local:
            return Cluster(LOCAL, None, idle, processes_per_node)
        return Cluster(
            self.name.casefold(),
            settings.max_node_count * processes_per_node,
            idle,
            processes_per_node,
            settings.min_node_count,
            node_size,
        )
