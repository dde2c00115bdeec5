"""A host that keeps nothing on its machine."""

from domain.ports import DiskState, DiskUse, EnvironmentSpec


class NoDisk(DiskUse):
    async def of_workload(self, key: str) -> int:
        return 0

    async def of_environment(self, spec: EnvironmentSpec) -> int:
        return 0

    async def state(self) -> DiskState | None:
        return None
