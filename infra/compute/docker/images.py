"""Images of environments, and of programs on them: each built once for what is in it."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from domain.assets import conda
from domain.errors import DomainError, Unavailable
from domain.ports import EnvironmentSpec, Program, SealedFolder
from infra.compute.docker.build_context import program_context
from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.engine_environments import (
    Environments,
    hash_of,
)
from infra.compute.docker.image_builds import KEPT_LINES, ImageBuilds, Story
from infra.compute.docker.labels import CODE_ROOT, Labels
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Asset, Assets

_log = logging.getLogger(__name__)

AGENT: Final = EnvironmentSpec(conda.HOST_PYTHON, ())
"""Of an agent beside a server of the user's own: nothing but itself."""
KEPT: Final = 8
"""Environments that nothing uses, of which the latest stay."""


@dataclass(frozen=True)
class Image:
    """What a node starts from. `code_root` is the folder of the code that is run from, relative
    to where the code is; '' for that itself. `server` is the image of a server of the user's own,
    beside which an agent runs from `name`."""

    name: str
    code_root: str
    has_model: bool
    has_code: bool = True
    server: str = ""


class Images:
    """Builds one image at a time. `story` is what that printed for a group, last time."""

    def __init__(
        self, engine: Engine, builds: ImageBuilds, environments: Environments, assets: Assets
    ) -> None:
        self._engine = engine
        self._builds = builds
        self._environments = environments
        self._assets = assets
        self._turn = asyncio.Lock()
        self._stories: dict[str, Story] = {}

    async def story(self, group: str, program: Program) -> list[str]:
        """Where another host was at it, what is kept of its environment."""
        if group in self._stories:
            return list(self._stories[group])
        return (await self._environments.log(program.environment)).splitlines()

    def forget(self, group: str) -> None:
        self._stories.pop(group, None)

    async def ensure(self, group: str, program: Program, labels: Labels) -> Image:
        """The image to run the program from, built if it is not there. Raises StartFailure, and
        Unavailable for what passes by itself."""
        story = self._stories[group] = deque(maxlen=KEPT_LINES)
        async with self._turn:
            await asyncio.to_thread(self._assets.sweep)
            try:
                return await self._ensure(program, labels, story)
            except Unavailable:
                raise
            except DomainError as error:
                raise StartFailure(
                    "ResourceNotReady", f"It cannot be prepared: {error}."
                ) from error
            except EngineRefusal as refusal:
                told = f"The container engine refused: {refusal.message}"
                raise StartFailure("ImageBuildFailure", told) from refusal
            finally:
                await asyncio.to_thread(self._assets.prune, set(), 0, 0.0)

    async def _ensure(self, program: Program, labels: Labels, story: Story) -> Image:
        spec, server = program.environment, ""
        if program.server is not None:
            server = await self._environments.as_it_is(spec, labels, story)
            spec = spec if spec.python else AGENT
        environment = await self._environments.ensure(spec, labels, story)
        image = await self._program(program, environment, labels, story)
        return replace(image, server=server)

    async def _program(
        self, program: Program, environment: str, labels: Labels, story: Story
    ) -> Image:
        model = program.model.seal if program.model is not None else ""
        code = program.code.seal if program.code is not None else ""
        name = f"{labels.repository}/program:{hash_of([environment, code, model])}"
        there = await self._engine.find(f"images/{name}/json")
        if there is not None:
            story.append("The image with model and code is there.")
            root = there["Config"]["Labels"][CODE_ROOT]
            return Image(name, root, bool(model), bool(code))
        return await self._with_files(program, environment, name, labels, story)

    async def _with_files(
        self, program: Program, environment: str, name: str, labels: Labels, story: Story
    ) -> Image:
        code, root = None, ""
        if program.code is not None:
            asset = await self._fetched(program.code, "code", story)
            code, is_folder = asset.folder, asset.content.is_dir()
            root = asset.content.name if is_folder and asset.content != code else ""
        model = None
        if program.model is not None:
            model = (await self._fetched(program.model, "model", story)).folder
        context = program_context(environment, model=model, code=code)
        of_image = {**labels.of_image("program"), CODE_ROOT: root}
        await self._builds.build(context, name, of_image, story)
        return Image(name, root, model is not None, code is not None)

    async def _fetched(self, source: SealedFolder, what: str, story: Story) -> Asset:
        story.append(f"Fetching the {what} from {source.container}/{source.path}.")
        return await self._assets.ensure(source)

    # -- what is not needed any more

    async def remove(self, name: str) -> None:
        """A program's image, unless a container still uses it."""
        try:
            await self._engine.delete(f"images/{name}")
        except EngineRefusal as refusal:
            _log.info("%s stays: %s", name, refusal.message)

    async def prune(self, labels: Labels, kept: int = KEPT) -> None:
        """Environments that nothing uses go, but for the latest."""
        filters = {"reference": [f"{labels.repository}/environment"]}
        found = await self._engine.get("images/json", filters=filters)
        found.sort(key=lambda each: each["Created"], reverse=True)
        for each in found[kept:]:
            for name in [*(each.get("RepoTags") or []), *(each.get("RepoDigests") or [])]:
                await self.remove(name)

    async def close(self) -> None:
        await self._assets.close()
        await self._environments.close()
