"""What a compute can run."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EnvironmentSpec:
    """What a model's Python needs: a version such as `3.11` and PEP 508 requirements
    (`--index-url` style options are refused earlier). Its hash keys the built environment."""

    python: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class InstanceSize:
    """`cpu` in cores, `memory` in bytes. `whole`: nobody named a size, and nothing but what the
    compute itself has holds it."""

    cpu: float
    memory: int
    whole: bool = False


class Capabilities(Protocol):
    """What can be said of a wish before anything is started."""

    @abstractmethod
    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        """Every reason why the compute could never run such a thing (no such Python, no
        such instance type, no managed compute here), each a sentence; empty if none."""

    @abstractmethod
    def size(self, instance_type: str | None) -> InstanceSize:
        """What an instance type means here; None: the compute's default. Raises Invalid for
        one that `refusals` refuses."""

    @abstractmethod
    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """Why so many instances of `size`, each of so many worker processes, cannot be had now
        under `key` in the place of those that it has: sentences with the numbers. None if they
        can, or where that shows only in the trying."""
