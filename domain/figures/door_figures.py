"""Connections to this host's door, which serves every endpoint."""

import uuid
from collections.abc import Callable, Iterable

from domain.figures.metrics import LOOKS
from domain.ports.records.figure_store import Amounts, Series, counted

Look = Callable[[], tuple[int, int]]
"""How many connections there are now, and how many were ever made."""


class DoorFigures:
    """A `Source`, of a door that is watched: it is looked at while anything else comes."""

    def __init__(self) -> None:
        self._host = uuid.uuid4().hex[:8]
        self._look: Look | None = None
        self._made = 0

    def watch(self, look: Look) -> None:
        self._look, self._made = look, 0

    def tell(self, changed: Callable[[], None]) -> None:
        """Connections alone are no reason to keep anything."""

    def take(self) -> Iterable[tuple[Series, Amounts]]:
        if self._look is None:
            return []
        active, made = self._look()
        new, self._made = made - self._made, made
        return [
            (Series("", LOOKS), counted(1)),
            (Series("", "ConnectionsActive", (self._host,)), counted(active)),
            (Series("", "NewConnectionsPerSecond"), counted(new)),
        ]
