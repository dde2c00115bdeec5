"""What can be said of a wish before a cluster is asked."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.errors import Detail, Invalid
from domain.ports import (
    Capabilities,
    Capacity,
    EnvironmentBuild,
    EnvironmentSpec,
    InstanceSize,
    IsolationPart,
)
from infra.compute.ground import instance_types
from infra.compute.kubernetes.cluster_types import ClusterTypes
from infra.compute.remote.remote_capabilities import RemoteCapabilities


class Trial(Protocol):
    """Whether a namespace may be used."""

    @abstractmethod
    async def of(self, namespace: str) -> str | None:
        """What the cluster says against it, in sentences. Raises Unavailable."""


class ClusterCapabilities(Capabilities):
    """What every fleet says of environments; instance types are the cluster's own, and beside them
    Azure's by their names. `cluster` is its ARM id, where it has one."""

    def __init__(
        self,
        shared: RemoteCapabilities,
        types: ClusterTypes,
        trial: Trial,
        cluster: str | None,
    ) -> None:
        self._shared = shared
        self._types = types
        self._trial = trial
        self._cluster = cluster

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        reasons = list(await self._shared.refusals(environment, None))
        if environment.build is not None:
            reasons.append(
                "A cluster has no engine that builds a Dockerfile: build and push its image, and "
                "name that in the environment."
            )
        try:
            self.size(instance_type)
        except Invalid as error:
            reasons.append(error.message)
        return reasons

    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        return await self._shared.cautions(environment)

    async def pinned(self, image: str) -> str:
        return await self._shared.pinned(image)

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return await self._shared.built(environment)

    def triton(self) -> EnvironmentSpec:
        return self._shared.triton()

    def size(self, instance_type: str | None) -> InstanceSize:
        name = (instance_type or instance_types.LOCAL).lower()
        name = self._types.default if name == instance_types.LOCAL else name
        found = self._types.types.get(name)
        if found is not None:
            return found
        try:
            return self._shared.size(name)
        except Invalid as error:
            own = ", ".join(sorted(self._types.types))
            told = f"{error.message} This cluster's own are {own}."
            raise Invalid(told, target="instanceType") from None

    def sizes(self) -> Mapping[str, InstanceSize]:
        azures = {n: s for n, s in self._shared.sizes().items() if n != instance_types.LOCAL}
        return dict(self._types.types) | azures

    def attaches(self) -> bool:
        return True

    async def attachment_faults(self, cluster: str | None, namespace: str) -> Sequence[Detail]:
        faults = []
        if cluster is not None and cluster.casefold() != (self._cluster or "").casefold():
            mine = f"'{self._cluster}'" if self._cluster else "not told by its ARM id"
            told = (
                "An installation has one cluster, of which namespaces are attached, and that is "
                f"{mine} (ML_ENDPOINTS_KUBERNETES_RESOURCE_ID). Leave resourceId out, or run "
                "another installation for the other cluster."
            )
            faults.append(Detail("NotSupported", told, "properties.resourceId"))
        refusal = await self._trial.of(namespace)
        if refusal is not None:
            at = "properties.properties.namespace"
            faults.append(Detail("BadArgument", refusal, at))
        return faults

    def capacities(self) -> Sequence[Capacity]:
        return ()

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """That shows in the trying."""
        return None

    async def closing_fault(self) -> str | None:
        """By a network policy: whether the cluster's network holds those is not known here."""
        return None

    def isolation(self) -> Sequence[IsolationPart]:
        return self._shared.isolation()
