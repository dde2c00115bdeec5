"""Environments as images of a registry, which the engine pulls by their digest."""

import asyncio
from typing import Final

from domain.errors import Unavailable
from domain.ports import EnvironmentSpec
from infra.compute.docker.engine_environments import EngineEnvironments, Environments, hash_of
from infra.compute.docker.image_builds import ImageBuilds, Story
from infra.compute.docker.labels import Labels
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.environment_images import EnvironmentImages

_AGAIN: Final = 5.0


class PulledEnvironments(Environments):
    """What a Dockerfile makes, or what only the engine has, `engines` are for. A deployment waits
    `patience` seconds for a registry that is down."""

    def __init__(
        self,
        images: EnvironmentImages,
        builds: ImageBuilds,
        engines: EngineEnvironments,
        *,
        patience: float,
    ) -> None:
        self._patience = patience
        self._images = images
        self._builds = builds
        self._engines = engines

    async def ensure(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        if self._is_engines(spec):
            return await self._engines.ensure(spec, labels, story)
        name = await self._found(spec, story)
        await self._builds.pull(name, story)
        await self._builds.tag(name, f"{labels.repository}/environment", hash_of(name))
        return name

    async def log(self, spec: EnvironmentSpec) -> str:
        return await (self._engines if self._is_engines(spec) else self._images).log(spec)

    async def _found(self, spec: EnvironmentSpec, story: Story) -> str:
        """A registry that is down for a moment is waited for."""
        ends = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return await self._images.ensure(spec, story.append)
            except Unavailable as error:
                if not story or story[-1] != error.message:
                    story.append(error.message)
                if asyncio.get_running_loop().time() >= ends:
                    told = f"{error.message} It has been asked for {self._patience:,.0f} s."
                    raise StartFailure("ImageBuildFailure", told) from error
            await asyncio.sleep(_AGAIN)

    async def as_it_is(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        if spec.python:
            return await self.ensure(spec, labels, story)
        return await self._engines.as_it_is(spec, labels, story)

    async def close(self) -> None:
        await self._images.close()

    @staticmethod
    def _is_engines(spec: EnvironmentSpec) -> bool:
        is_id = spec.image is not None and spec.image.startswith("sha256:")
        return spec.build is not None or is_id
