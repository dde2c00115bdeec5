"""Room for more where things are kept."""

from abc import abstractmethod
from typing import Protocol


class StorageRoom(Protocol):
    @abstractmethod
    async def check(self) -> None:
        """To be asked before new work is begun: raises StorageFull, saying what to do, while what
        is in hand needs the rest. Cheap, and of use at once when there is room again."""
