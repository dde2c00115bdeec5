"""Environments as images that the engine builds: on our own base, on another image, or by a
Dockerfile of the user's own."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from domain.assets.images.image_name import ImageName
from domain.errors import Invalid
from domain.ports import DockerBuild, EnvironmentBuild, EnvironmentSpec
from infra.compute.docker.build_context import (
    environment_context,
    files_of,
    folder_context,
    prebuilt_context,
)
from infra.compute.docker.image_builds import ImageBuilds, Story
from infra.compute.docker.labels import Labels
from infra.compute.ground import process_environment
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Assets
from infra.compute.ground.image_layout import LOCK
from infra.compute.package_sources import PackageSourceRefused, PackageSources
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.programs.making import BaseImage

_THERE: Final = "The environment's image is there."
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


class Environments(Protocol):
    async def ensure(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        """The name of an image that has the environment, and our own package, made if it is not
        there. Raises StartFailure, and Unavailable for what passes by itself."""

    async def log(self, spec: EnvironmentSpec) -> str:
        """What was printed while it was made, by any host; '' for nothing."""

    async def as_it_is(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        """The name of an image as its user has it, with nothing of ours put in where it needs no
        packages. Raises as `ensure`."""

    async def close(self) -> None: ...


class EngineEnvironments(Environments):
    """`runtime` is our own package, `uv` the tool that installs; `assets` fetch the contexts of
    builds. What was resolved and printed is kept in `records`."""

    def __init__(
        self,
        builds: ImageBuilds,
        base: BaseImage,
        assets: Assets,
        records: ImageRecords,
        *,
        runtime: Path,
        uv: str,
        packages: PackageSources,
    ) -> None:
        self._builds = builds
        self._base = base
        self._assets = assets
        self._records = records
        self._runtime = runtime
        self._uv = Path(uv)
        self._packages = packages

    async def ensure(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        made = await self._made(spec, labels, story)
        key = self._key_of(spec)
        told = await self._records.log(key) if story[-1] == _THERE else ""
        if told:  # else whoever made it ended before it was recorded
            story.extendleft(reversed(told.splitlines()))
            return made
        if spec.python:
            lock = await self._builds.read(made, LOCK, labels)
            await self._records.keep_lock(key, lock.decode(errors="replace"))
        await self._records.keep_log(key, "\n".join([*story, f"The environment is {made}."]))
        return made

    async def built(self, spec: EnvironmentSpec) -> EnvironmentBuild | None:
        """What making its image came to; None where it has not been made."""
        key = self._key_of(spec)
        log = await self._records.log(key)
        if not log:
            return None
        image = log.rpartition(" ")[2].removesuffix(".")
        base = spec.image or (self._base.of(spec) if spec.build is None else None)
        return EnvironmentBuild(await self._records.lock(key), log, image, base)

    def _key_of(self, spec: EnvironmentSpec) -> str:
        meant = self._packages.meant(spec)
        told = self._packages.as_json(replace(meant, requirements=tuple(sorted(spec.requirements))))
        build = [spec.build.context.seal, spec.build.dockerfile] if spec.build else None
        base = self._base.of(spec) if spec.build is None and spec.image is None else spec.image
        return hash_of([told, base, build])

    async def _made(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        base = await self._standing(spec, labels, story)
        if not spec.python:
            return await self._prebuilt(base, labels, story)
        meant = replace(self._packages.meant(spec), image=None, build=None)
        told = self._packages.as_json(replace(meant, requirements=tuple(sorted(spec.requirements))))
        name = self._named(labels, [told, base, self._runtime_digest])
        if await self._builds.is_there(name):
            story.append(_THERE)
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
        of_image = labels.of_image("environment")
        await self._builds.build(context, name, of_image, story, arguments=arguments)
        return name

    async def log(self, spec: EnvironmentSpec) -> str:
        return await self._records.log(self._key_of(spec))

    async def as_it_is(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        if spec.python:
            return await self.ensure(spec, labels, story)
        name = await self._standing(spec, labels, story)
        if spec.build is None:
            await self._builds.pull(name, story)
        return name

    async def close(self) -> None:
        """Nothing is open."""

    async def _standing(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        """The image that it stands on."""
        if spec.build is not None:
            return await self._built(spec.build, labels, story)
        if spec.image is None:
            return self._base.of(spec)
        try:
            ImageName.parse(spec.image)
        except Invalid as error:
            raise StartFailure("ImageBuildFailure", error.message) from None
        return spec.image

    async def _built(self, build: DockerBuild, labels: Labels, story: Story) -> str:
        """By the Dockerfile, which no URL and no other image of ours is needed for."""
        name = self._named(labels, ["build", build.context.seal, build.dockerfile])
        if await self._builds.is_there(name):
            story.append("The Dockerfile's image is there.")
            return name
        story.append(f"Fetching the context from {build.context.container}/{build.context.path}.")
        context = await self._assets.ensure(build.context)
        story.append(f"Building {build.dockerfile}.")
        await self._builds.build(
            folder_context(context.content),
            name,
            labels.of_image("environment"),
            story,
            dockerfile=build.dockerfile.removeprefix("./"),
        )
        return name

    async def _prebuilt(self, image: str, labels: Labels, story: Story) -> str:
        name = self._named(labels, ["prebuilt", image, self._runtime_digest])
        if await self._builds.is_there(name):
            story.append(_THERE)
            return name
        story.append(f"Putting the agent into {image}.")
        context = prebuilt_context(image, runtime=self._runtime)
        await self._builds.build(context, name, labels.of_image("environment"), story)
        return name

    async def _check_indexes(self, spec: EnvironmentSpec) -> None:
        """What the engine builds with is kept in its layers: nothing secret may be among it.
        Raises StartFailure."""
        try:
            private = sorted(await self._packages.credentials(spec))
        except PackageSourceRefused as error:
            raise StartFailure("ImageBuildFailure", str(error)) from None
        if private:
            told = (
                f"Packages of {private[0]} need credentials, which an engine would keep in what it "
                "builds: name a registry in ML_ENDPOINTS_IMAGE_REGISTRY, where environments are "
                "made without one (docs/containers.md)."
            )
            raise StartFailure("ImageBuildFailure", told)

    def _named(self, labels: Labels, what: Sequence[object]) -> str:
        return f"{labels.repository}/environment:{hash_of(what)}"

    @cached_property
    def _runtime_digest(self) -> str:
        digest = hashlib.sha256()
        for path in files_of(self._runtime):
            digest.update(f"{path.relative_to(self._runtime)}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()


def hash_of(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _path_in(value: str) -> str:
    """Of a value that may be an address, what could only be a path of this machine."""
    return "" if "://" in value and not value.startswith("file:") else value
