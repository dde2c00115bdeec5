"""What can be said of a wish before a cluster is asked."""

from collections.abc import Mapping, Sequence

from domain.errors import Invalid
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


class ClusterCapabilities(Capabilities):
    """What every fleet says of environments; instance types are the cluster's own, and beside them
    Azure's by their names."""

    def __init__(self, shared: RemoteCapabilities, types: ClusterTypes) -> None:
        self._shared = shared
        self._types = types

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
            return found.size
        try:
            return self._shared.size(name)
        except Invalid as error:
            own = ", ".join(sorted(self._types.types))
            told = f"{error.message} This cluster's own are {own}."
            raise Invalid(told, target="instanceType") from None

    def sizes(self) -> Mapping[str, InstanceSize]:
        azures = {n: s for n, s in self._shared.sizes().items() if n != instance_types.LOCAL}
        return {name: each.size for name, each in self._types.types.items()} | azures

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
