"""Images of environments, and of programs on them: each built once for what is in it."""

import asyncio
import hashlib
import json
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from domain.errors import DomainError, Unavailable
from domain.ports import BlobStore, EnvironmentSpec, Program, SealedFolder
from infra.compute.docker.build_context import environment_context, files_of, program_context
from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.labels import CODE_ROOT, IMAGE, Labels
from infra.compute.ground import process_environment
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Asset, Assets
from infra.compute.package_sources import PackageSourceRefused, PackageSources

_log = logging.getLogger(__name__)

_KEPT_LINES: Final = 2000
_TAIL: Final = 40
KEPT: Final = 8
"""Environments that nothing uses, of which the latest stay."""
_INDEXES: Final = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
)
"""Of this host's variables those that say where packages come from."""


@dataclass(frozen=True)
class Image:
    """What a node starts from. `code_root` is the folder of the code that is run from, relative
    to where the code is; '' for that itself."""

    name: str
    code_root: str
    has_model: bool


@dataclass(frozen=True)
class BaseImage:
    """What environments are built on: `{python}` in its name stands for the wanted version."""

    name: str

    def of(self, spec: EnvironmentSpec) -> str:
        return self.name.replace("{python}", spec.python)


class Images:
    """Builds one image at a time. `story` is what building for a group printed, last time."""

    def __init__(
        self,
        engine: Engine,
        blobs: BlobStore,
        base: BaseImage,
        *,
        folder: Path,
        runtime: Path,
        uv: str,
        packages: PackageSources,
    ) -> None:
        self._packages = packages
        self._engine = engine
        self._base = base
        self._files = folder / "files"
        self._assets = Assets(self._files, blobs)
        self._runtime = runtime
        self._uv = Path(uv)
        self._turn = asyncio.Lock()
        self._stories: dict[str, deque[str]] = {}

    def story(self, group: str) -> list[str]:
        return list(self._stories.get(group, ()))

    def forget(self, group: str) -> None:
        self._stories.pop(group, None)

    async def ensure(self, group: str, program: Program, labels: Labels) -> Image:
        """The image to run the program from, built if it is not there. Raises StartFailure, and
        Unavailable for what passes by itself."""
        story = self._stories[group] = deque(maxlen=_KEPT_LINES)
        async with self._turn:
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

    async def _ensure(self, program: Program, labels: Labels, story: deque[str]) -> Image:
        environment = await self._environment(program.environment, labels, story)
        model = program.model.seal if program.model is not None else ""
        code = program.code.seal if program.code is not None else ""
        name = f"{labels.repository}/program:{_hash([environment, code, model])}"
        there = await self._engine.find(f"images/{name}/json")
        if there is not None:
            story.append("The image with model and code is there.")
            return Image(name, there["Config"]["Labels"][CODE_ROOT], bool(model))
        await asyncio.to_thread(self._assets.sweep)
        try:
            return await self._with_files(program, environment, name, labels, story)
        finally:
            await asyncio.to_thread(self._assets.prune, set(), 0, 0.0)

    async def _with_files(
        self, program: Program, environment: str, name: str, labels: Labels, story: deque[str]
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
        await self._build(context, name, of_image, {}, story)
        return Image(name, root, model is not None)

    async def _fetched(self, source: SealedFolder, what: str, story: deque[str]) -> Asset:
        story.append(f"Fetching the {what} from {source.container}/{source.path}.")
        return await self._assets.ensure(source)

    async def _environment(self, spec: EnvironmentSpec, labels: Labels, story: deque[str]) -> str:
        base = self._base.of(spec)
        meant = self._packages.meant(spec)
        told = self._packages.as_json(replace(meant, requirements=tuple(sorted(spec.requirements))))
        what = [told, base, self._runtime_digest]
        name = f"{labels.repository}/environment:{_hash(what)}"
        if await self._engine.find(f"images/{name}/json") is not None:
            story.append("The environment's image is there.")
            return name
        await self._check_indexes(meant)
        story.append(f"Building the environment on {base}: {', '.join(spec.requirements)}")
        arguments = {
            variable: value
            for variable, value in process_environment.for_build(()).items()
            if variable in _INDEXES and "/" not in _path_in(value) and "@" not in value
        }
        context = environment_context(
            told, base, runtime=self._runtime, uv=self._uv, arguments=sorted(arguments)
        )
        await self._build(context, name, labels.of_image("environment"), arguments, story)
        return name

    async def _check_indexes(self, spec: EnvironmentSpec) -> None:
        """What the engine builds with is kept in its layers: nothing secret may be among it.
        Raises StartFailure."""
        try:
            private = sorted(await self._packages.credentials(spec))
        except PackageSourceRefused as error:
            raise StartFailure("ImageBuildFailure", str(error)) from None
        if private:
            told = f"Packages of {private[0]} need credentials, which container builds cannot be "
            raise StartFailure("ImageBuildFailure", f"{told}given yet without keeping them.")

    async def _build(
        self,
        context: AbstractContextManager[Path],
        name: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        story: deque[str],
    ) -> None:
        query: dict[str, Any] = {"t": name, "rm": True, "forcerm": True, "labels": labels}
        if arguments:
            query["buildargs"] = arguments
        failed: str | None = None
        path = await asyncio.to_thread(context.__enter__)
        try:
            async for line in self._engine.build(path, **query):
                if text := str(line.get("stream") or line.get("status") or "").rstrip():
                    story.extend(text.splitlines())
                if "error" in line:
                    failed = str(line["error"])
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
        if failed is not None:
            story.append(failed)
            tail = "\n".join(list(story)[-_TAIL:])
            raise StartFailure(
                "ImageBuildFailure", f"The image could not be built: {failed}\n{tail}"
            )

    # -- what is not needed any more

    async def remove(self, name: str) -> None:
        """A program's image, unless a container still uses it."""
        try:
            await self._engine.delete(f"images/{name}")
        except EngineRefusal as refusal:
            _log.info("%s stays: %s", name, refusal.message)

    async def prune(self, labels: Labels, kept: int = KEPT) -> None:
        """Environments that nothing uses go, but for the latest."""
        filters = {"label": [labels.mine, f"{IMAGE}=environment"]}
        found = await self._engine.get("images/json", filters=filters)
        found.sort(key=lambda each: each["Created"], reverse=True)
        for each in found[kept:]:
            for name in each.get("RepoTags") or []:
                await self.remove(name)

    async def close(self) -> None:
        await self._assets.close()

    @cached_property
    def _runtime_digest(self) -> str:
        digest = hashlib.sha256()
        for path in files_of(self._runtime):
            digest.update(f"{path.relative_to(self._runtime)}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()


def _hash(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _path_in(value: str) -> str:
    """Of a value that may be an address, what could only be a path of this machine."""
    return "" if "://" in value and not value.startswith("file:") else value
