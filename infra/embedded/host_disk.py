"""What an embedded host keeps in its data folder."""

import asyncio
import time
from pathlib import Path
from typing import Final, Protocol

from domain.ports import DiskState, DiskUse, EnvironmentSpec, FolderUse
from infra.embedded.disk_room import DiskRoom
from infra.rules.folder_sizes import folder_size

_PARTS: Final = (
    "documents.db",
    "queues.db",
    "audit.db",
    "figures.db",
    "blobs",
    "blob-state",
    "compute/environments",
    "compute/assets",
    "compute/logs",
    "compute/tmp",
    "containers",
    "logs",
)
_KEPT: Final = 30.0
"""Seconds for which a count is told again: those who ask often cost no more."""


class ComputeDisk(Protocol):
    """What a compute keeps on this machine."""

    async def of_workload(self, key: str) -> int: ...

    async def of_environment(self, spec: EnvironmentSpec) -> int: ...


class HostDisk(DiskUse):
    """Of the data folder `root`; `compute` is None where it is elsewhere."""

    def __init__(self, root: Path, room: DiskRoom, compute: ComputeDisk | None) -> None:
        self._root = root
        self._room = room
        self._compute = compute
        self._counting = asyncio.Lock()
        self._counted: tuple[float, list[FolderUse]] | None = None

    async def of_workload(self, key: str) -> int:
        return 0 if self._compute is None else await self._compute.of_workload(key)

    async def of_environment(self, spec: EnvironmentSpec) -> int:
        return 0 if self._compute is None else await self._compute.of_environment(spec)

    async def state(self) -> DiskState | None:
        found = await self._room.space()
        return DiskState(
            total=found.total,
            free=found.free,
            reserve=self._room.reserve,
            takes_new_work=not await self._room.is_short(),
            folders=await self._folders(),
        )

    async def _folders(self) -> list[FolderUse]:
        async with self._counting:
            now = time.monotonic()
            if self._counted is None or now - self._counted[0] > _KEPT:
                self._counted = now, await asyncio.to_thread(self._count)
            return self._counted[1]

    def _count(self) -> list[FolderUse]:
        sizes = [(name, folder_size(self._root / name)) for name in _PARTS]
        return [FolderUse(name, found.size, found.is_complete) for name, found in sizes]
