"""What units are lent, as workers beside a model come to it."""

from collections.abc import Sequence
from typing import Protocol

from domain.ports import UnitInput


class NodeLending(Protocol):
    async def authority(self) -> str:
        """Which certificate, in PEM, workers must know to reach it; '' where they know it, and the
        store is none of a host's. Raises Unavailable while nobody can tell."""

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        """Of each, in order, its content if that is small and as it was planned, where the store
        is this host's; None for what is to be fetched."""


class LentElsewhere(NodeLending):
    """By a store whose certificate is known everywhere."""

    async def authority(self) -> str:
        return ""

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        return [None] * len(inputs)
