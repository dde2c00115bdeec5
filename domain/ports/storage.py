"""Room for more where things are kept, and what is kept on the machine that a host is on beside
the blob store."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.ports.capabilities import EnvironmentSpec


@dataclass(frozen=True)
class FolderUse:
    """`size` in bytes; of a folder with very many files, what was found of it."""

    name: str
    size: int
    is_complete: bool


@dataclass(frozen=True)
class DiskState:
    """In bytes. `reserve` is kept back for what is in hand: while less is free, no new work
    is taken."""

    total: int
    free: int
    reserve: int
    takes_new_work: bool
    folders: Sequence[FolderUse]


class DiskUse(Protocol):
    """Of this host alone. Nothing here walks without bounds, or holds anybody up."""

    @abstractmethod
    async def of_workload(self, key: str) -> int:
        """Bytes that the logs of what runs, or ran, under a workload's key take."""

    @abstractmethod
    async def of_environment(self, spec: EnvironmentSpec) -> int:
        """Bytes of the environment as it is built; 0 where it is not."""

    @abstractmethod
    async def state(self) -> DiskState | None:
        """None where nothing is kept on a machine."""


class StorageRoom(Protocol):
    @abstractmethod
    async def check(self) -> None:
        """To be asked before new work is begun: raises StorageFull, saying what to do, while what
        is in hand needs the rest. Cheap, and of use at once when there is room again."""
