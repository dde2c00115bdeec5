"""What is done to images in a registry beside their making: by a timer, for all hosts by one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import DomainError
from infra.compute.registry.upkeep.due_looks import DueLooks

_log = logging.getLogger("ml_endpoints.registry")

_LONGEST: Final = 300.0
"""Seconds between two questions whether something is due: a host may not live for long."""


@dataclass(frozen=True)
class Chore:
    """Done each `every` seconds; never where that is 0."""

    name: str
    every: float
    look: Callable[[], Awaitable[object]]


class ImageUpkeep:
    def __init__(self, due: DueLooks, chores: Sequence[Chore]) -> None:
        self._due = due
        self._chores = [each for each in chores if each.every]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._chores and self._task is None:
            self._task = asyncio.create_task(self._run(), name="upkeep of images")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> list[str]:
        """What was due."""
        done = []
        for chore in self._chores:
            try:
                if await self._due.claim(chore.name, chore.every):
                    await chore.look()
                    done.append(chore.name)
            except DomainError as error:
                _log.warning("Images could not be looked after (%s): %s", chore.name, error)
        return done

    async def _run(self) -> None:
        pause = min(_LONGEST, *(each.every for each in self._chores))
        while True:
            await self.look()
            await asyncio.sleep(pause)
