"""What groups start from, made while nobody waits for it."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.errors import Unavailable
from domain.ports import Program
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup, Progress

_PATIENCE: Final = 0.2


class PodImages(Protocol):
    """What pods start from."""

    @abstractmethod
    async def ensure(self, group: str, program: Program) -> ProgramImage:
        """Made if it is not there. Raises StartFailure, and Unavailable for what passes by
        itself."""

    @abstractmethod
    async def story(self, group: str, program: Program) -> Sequence[str]:
        """How it came about, in lines."""

    @abstractmethod
    def forget(self, group: str) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...


@dataclass
class _Preparation:
    attempt: int
    task: asyncio.Task[ProgramImage]


class Preparations:
    """A failure stays until the group comes with another attempt."""

    def __init__(self, images: PodImages) -> None:
        self._images = images
        self._tasks: dict[str, _Preparation] = {}

    async def of(self, group: NodeGroup) -> ProgramImage | Progress:
        """Its image, or how far that is. Raises Unavailable for what passes by itself; it is begun
        anew at the next call."""
        there = self._tasks.get(group.name)
        if there is None or there.attempt != group.attempt:
            if there is not None:
                there.task.cancel()
            making = self._images.ensure(group.name, group.program)
            task = asyncio.create_task(making, name=f"image of {group.key}")
            there = self._tasks[group.name] = _Preparation(group.attempt, task)
        if not there.task.done():
            await asyncio.wait({there.task}, timeout=_PATIENCE)
        if not there.task.done():
            return Progress()
        try:
            return there.task.result()
        except StartFailure as failure:
            return Progress(failure=failure)
        except Unavailable:
            self._tasks.pop(group.name, None)
            raise

    def cancel(self, group: str) -> None:
        if group in self._tasks:
            self._tasks[group].task.cancel()

    def forget(self, group: str) -> None:
        self.cancel(group)
        self._tasks.pop(group, None)
        self._images.forget(group)

    async def close(self) -> None:
        tasks = [each.task for each in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._images.close()
