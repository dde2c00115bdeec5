"""What this machine can run."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from domain.errors import Invalid, Unsupported
from domain.ports import (
    Capabilities,
    Capacity,
    EnvironmentBuild,
    EnvironmentSpec,
    InstanceSize,
    IsolationPart,
)
from infra.compute.ground import instance_types
from infra.compute.ground.room import Portion, Room
from infra.compute.local.files.environments import Environments, told_of_image
from infra.compute.local.isolation.isolation import Isolation

_NO_TRITON = (
    "The Triton server runs in a container, and models are processes of this machine here: run "
    "models in containers (ML_ENDPOINTS_COMPUTE=docker, docs/containers.md), or give "
    "codeConfiguration with a script that loads the model."
)
Shortage = Callable[[str, InstanceSize, int, int], str | None]


class LocalCapabilities(Capabilities):
    """Every Python that uv finds or gets, and the sizes of `instance_types`. `shortage` and
    `taken` know what models have of the machine, which is `room`."""

    def __init__(
        self,
        environments: Environments,
        isolation: Isolation,
        shortage: Shortage,
        taken: Callable[[], Portion],
        room: Room,
    ) -> None:
        self._environments = environments
        self._isolation = isolation
        self._shortage = shortage
        self._taken = taken
        self._room = room

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        if environment.needs_image:
            reasons = [told_of_image(environment)]
        else:
            refusal = await self._environments.pythons.refusal(environment.python)
            reasons = [] if refusal is None else [refusal]
        if instance_type is not None and instance_types.find(instance_type) is None:
            reasons.append(instance_types.unknown(instance_type))
        return reasons

    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        if environment.needs_image:
            return ()
        caution = await self._environments.pythons.caution(environment.python)
        return () if caution is None else (caution,)

    async def pinned(self, image: str) -> str:
        return image

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        if environment.needs_image:
            return None
        return await self._environments.build_of(environment)

    def triton(self) -> EnvironmentSpec:
        raise Unsupported(_NO_TRITON)

    def size(self, instance_type: str | None) -> InstanceSize:
        name = instance_types.LOCAL if instance_type is None else instance_type
        row = instance_types.find(name)
        if row is None:
            raise Invalid(instance_types.unknown(name), target="instanceType")
        return InstanceSize(row.cpu, row.memory, whole=row.name == instance_types.LOCAL)

    def sizes(self) -> Mapping[str, InstanceSize]:
        return {name: self.size(name) for name in instance_types.INSTANCE_TYPES}

    def capacities(self) -> Sequence[Capacity]:
        taken, whole = self._taken(), self._room.whole
        return [
            Capacity("processes", taken.processes, whole.processes, "Count"),
            Capacity("cores", taken.cores, whole.cores, "Count"),
            Capacity("memory", taken.memory, whole.memory, "Bytes"),
        ]

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        return self._shortage(key, size, instances, workers)

    async def closing_fault(self) -> str | None:
        return await asyncio.to_thread(self._isolation.closing_fault)

    def isolation(self) -> Sequence[IsolationPart]:
        return self._isolation.parts
