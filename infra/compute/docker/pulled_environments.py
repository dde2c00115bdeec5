"""Environments as images of a registry, which the engine pulls by their digest."""

import base64
import json

from domain.ports import Credentials, EnvironmentSpec
from infra.compute.docker.engine_environments import EngineEnvironments, Environments, hash_of
from infra.compute.docker.image_builds import ImageBuilds, Story
from infra.compute.docker.labels import Labels
from infra.compute.registry.environment_images import EnvironmentImages


class PulledEnvironments(Environments):
    """What a Dockerfile makes, or what only the engine has, `engines` are for. `credentials` open
    the registry."""

    def __init__(
        self,
        images: EnvironmentImages,
        builds: ImageBuilds,
        engines: EngineEnvironments,
        credentials: Credentials | None,
    ) -> None:
        self._images = images
        self._builds = builds
        self._engines = engines
        self._opened = _header(credentials) if credentials is not None else None

    async def ensure(self, spec: EnvironmentSpec, labels: Labels, story: Story) -> str:
        is_engines = spec.image is not None and spec.image.startswith("sha256:")
        if spec.build is not None or is_engines:
            return await self._engines.ensure(spec, labels, story)
        name = await self._images.ensure(spec, story.append)
        await self._builds.pull(name, story, opened=self._opened)
        await self._builds.tag(name, f"{labels.repository}/environment", hash_of(name))
        return name

    async def close(self) -> None:
        await self._images.close()


def _header(credentials: Credentials) -> str:
    """As engines take it."""
    told = {"username": credentials.username, "password": credentials.password}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
