"""What can be said of a wish before Container Apps is asked."""

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
from infra.compute.container_apps.app_isolation import NOT_CLOSED
from infra.compute.container_apps.app_sizes import SIZES, TOO_LARGE
from infra.compute.ground.instance_types import LOCAL
from infra.compute.remote.remote_capabilities import RemoteCapabilities

_BY_LOWER = {name.lower(): size for name, size in SIZES.items()}


class AppCapabilities(Capabilities):
    """What every fleet says of environments, and the platform's own sizes. `builds`: there is a
    registry that builds Dockerfiles."""

    def __init__(self, shared: RemoteCapabilities, *, builds: bool) -> None:
        self._shared = shared
        self._builds = builds

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        reasons = list(await self._shared.refusals(environment, None))
        if environment.build is not None and not self._builds:
            reasons.append(
                "Container Apps have no engine that builds a Dockerfile: tell by "
                "ML_ENDPOINTS_CONTAINER_APPS_REGISTRY which registry is to build it, or build its "
                "image yourself (`az acr build`) and name that in the environment."
            )
        if instance_type is not None and instance_type.lower() not in _BY_LOWER:
            reasons.append(_no_such_type(instance_type))
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
        found = _BY_LOWER.get((instance_type or LOCAL).lower())
        if found is None:
            raise Invalid(_no_such_type(instance_type or LOCAL), target="instanceType")
        return found

    def sizes(self) -> Mapping[str, InstanceSize]:
        return SIZES

    def capacities(self) -> Sequence[Capacity]:
        return ()

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """That shows in the trying."""
        return None

    async def closing_fault(self) -> str | None:
        return NOT_CLOSED

    def isolation(self) -> Sequence[IsolationPart]:
        return self._shared.isolation()


def _no_such_type(name: str) -> str:
    if name.lower() in (each.lower() for each in TOO_LARGE):
        return (
            f"{name} is larger than any workload profile of Container Apps has free on one node; "
            f"there are {', '.join(SIZES)}."
        )
    return f"There is no instance type {name!r} in Container Apps; there are {', '.join(SIZES)}."
