"""Images of Dockerfiles, as environments without an engine stand on them."""

from abc import abstractmethod
from typing import Protocol

from domain.ports import DockerBuild
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.layer_builds import Say


class Dockerfiles(Protocol):
    @abstractmethod
    def named(self, build: DockerBuild) -> str:
        """What its image is called, made or not: the same for the same files."""

    @abstractmethod
    async def ensure(self, build: DockerBuild, say: Say) -> str:
        """The image by its digest, built if it is not there. Raises StartFailure, and Unavailable
        for what passes by itself."""

    @abstractmethod
    async def close(self) -> None: ...


class NoDockerfiles(Dockerfiles):
    """Nobody here builds any."""

    def named(self, build: DockerBuild) -> str:
        return f"{build.context.seal}/{build.dockerfile}"

    async def ensure(self, build: DockerBuild, say: Say) -> str:
        raise StartFailure("ImageBuildFailure", "Without an engine no Dockerfile is built.")

    async def close(self) -> None: ...
