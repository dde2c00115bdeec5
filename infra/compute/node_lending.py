"""What units are lent, as workers beside a model come to it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.ports import UnitInput, UnitRequest


class NodeLending(Protocol):
    async def authority(self) -> str:
        """Which certificate, in PEM, workers must know to reach it; '' where they know it, and the
        store is none of a host's. Raises Unavailable while nobody can tell."""

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        """Of each, in order, its content if that is small and as it was planned, where the store
        is this host's; None for what is to be fetched."""

    async def lend(self, group: str, request: UnitRequest) -> Mapping[str, str]:
        """Of its inputs, by their URLs, those that nodes of the group see as files, and at which
        `file:` URL, until they are taken back. They may not see them after all."""

    def take_back(self, group: str, request: UnitRequest) -> None:
        """What was lent for the attempt. Waits for nothing."""


class LentElsewhere(NodeLending):
    """By a store whose certificate is known everywhere."""

    async def authority(self) -> str:
        return ""

    async def contents(self, inputs: Sequence[UnitInput]) -> Sequence[bytes | None]:
        return [None] * len(inputs)

    async def lend(self, group: str, request: UnitRequest) -> Mapping[str, str]:
        return {}

    def take_back(self, group: str, request: UnitRequest) -> None:
        pass
