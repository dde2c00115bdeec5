"""What the compute of one machine keeps of workloads and environments."""

import asyncio
from pathlib import Path

from domain.ports import EnvironmentSpec
from infra.compute.local.premises import Premises
from infra.rules.folder_sizes import folder_size


class LocalDisk:
    """An environment that is built does not change: it is counted once."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self._environments: dict[Path, int] = {}

    async def of_workload(self, key: str) -> int:
        """Bytes of its logs."""
        return (await asyncio.to_thread(folder_size, self._premises.logs_of(key))).size

    async def of_environment(self, spec: EnvironmentSpec) -> int:
        """Bytes; 0 where it is not built."""
        built = self._premises.environments.built(spec)
        if built is None:
            return 0
        if built not in self._environments:
            self._environments[built] = (await asyncio.to_thread(folder_size, built)).size
        return self._environments[built]
