"""Where a script's own files go (AZUREML_BI_OUTPUT_PATH), and how they come into the blob
store."""

from abc import abstractmethod
from pathlib import Path
from typing import Protocol

from domain.ports import BlobFolder


class Outputs(Protocol):
    """For the workload of a key, a folder of this machine that stands for its `output`, a folder
    of the blob store."""

    @abstractmethod
    def folder(self, key: str, output: BlobFolder) -> Path:
        """The local folder, which need not be there yet."""

    @abstractmethod
    def sweep(self) -> None:
        """Blocking, before the first use: remove what a host that died has left long ago."""

    @abstractmethod
    async def publish(self, key: str, output: BlobFolder) -> None:
        """What was written to the local folder before this call is in the blob store, under
        its own path. Raises DomainError; again, it goes on where it stopped."""

    @abstractmethod
    async def release(self, key: str, output: BlobFolder) -> None:
        """Nobody writes there any more: what is new is published as far as may be, and the
        machine keeps nothing of it."""


class OutputsInPlace(Outputs):
    """The blob store's own folders, on this disk: what is written there is published."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, key: str, output: BlobFolder) -> Path:
        return self._root / output.container / output.path

    def sweep(self) -> None:
        return

    async def publish(self, key: str, output: BlobFolder) -> None:
        return

    async def release(self, key: str, output: BlobFolder) -> None:
        return
