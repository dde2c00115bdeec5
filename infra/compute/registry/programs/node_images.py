"""What nodes start from where there is no engine: made one at a time, each with its story."""

import asyncio
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from domain.errors import DomainError, Unavailable
from domain.ports import Program
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Assets
from infra.compute.registry.environment_images import EnvironmentImages
from infra.compute.registry.programs.program_images import ProgramImage, ProgramImages
from infra.compute.registry.upkeep.due_looks import DueLooks
from infra.compute.registry.upkeep.image_upkeep import Chore
from infra.compute.registry.upkeep.image_uses import ImageUses
from infra.compute.remote.remote_capabilities import ImageFacts

_KEPT_LINES: Final = 2000
_AGAIN: Final = 5.0


class ImagesOfNodes(Protocol):
    """`story` is what making an image printed for a group, last time."""

    @abstractmethod
    async def ensure(self, group: str, program: Program) -> ProgramImage:
        """The image to run the program from. Raises StartFailure."""

    @abstractmethod
    async def story(self, group: str, program: Program) -> list[str]:
        """Where another host was at it, what is kept of its environment."""

    @abstractmethod
    def forget(self, group: str) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...


class NodeImages(ImagesOfNodes):
    """A deployment waits `patience` seconds for a registry that is down."""

    def __init__(
        self,
        programs: ProgramImages,
        environments: EnvironmentImages,
        assets: Assets,
        *,
        patience: float,
    ) -> None:
        self._patience = patience
        self._programs = programs
        self._environments = environments
        self._assets = assets
        self._turn = asyncio.Lock()
        self._stories: dict[str, deque[str]] = {}

    async def ensure(self, group: str, program: Program) -> ProgramImage:
        story = self._stories[group] = deque(maxlen=_KEPT_LINES)
        async with self._turn:
            await asyncio.to_thread(self._assets.sweep)
            try:
                return await self._patiently(program, story)
            except DomainError as error:
                told = f"It cannot be prepared: {error}."
                raise StartFailure("ResourceNotReady", told) from error
            finally:
                await asyncio.to_thread(self._assets.prune, set(), 0, 0.0)

    async def _patiently(self, program: Program, story: deque[str]) -> ProgramImage:
        """A registry, or a store, that is down for a moment is waited for."""
        ends = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return await self._programs.ensure(program, story.append)
            except Unavailable as error:
                if not story or story[-1] != error.message:
                    story.append(error.message)
                if asyncio.get_running_loop().time() >= ends:
                    told = f"{error.message} It has been asked for {self._patience:,.0f} s."
                    raise StartFailure("ImageBuildFailure", told) from error
            await asyncio.sleep(_AGAIN)

    async def story(self, group: str, program: Program) -> list[str]:
        if group in self._stories:
            return list(self._stories[group])
        return (await self._environments.log(program.environment)).splitlines()

    def forget(self, group: str) -> None:
        self._stories.pop(group, None)

    async def close(self) -> None:
        await self._assets.close()
        await self._environments.close()


@dataclass(frozen=True)
class ChosenImages:
    """`uses` are told of those that `programs` make; `rebasing` is to be done as `due` says."""

    images: NodeImages
    facts: ImageFacts
    programs: ProgramImages
    uses: ImageUses
    due: DueLooks
    rebasing: Chore
