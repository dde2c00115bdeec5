"""Dockerfiles that somebody beside the registry builds, each once for what is in its folder."""

import asyncio
import hashlib
import json
import logging
import weakref
from abc import abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from domain.ports import DockerBuild
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Assets
from infra.compute.registry.build_turns import BuildTurns, Turn
from infra.compute.registry.dockerfiles.dockerfiles import Dockerfiles
from infra.compute.registry.image_records import ImageRecord, ImageRecords, kept_log
from infra.compute.registry.layer_builds import Say
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryRefusal
from infra.compute.registry.upkeep.image_uses import ImageUses

_log = logging.getLogger("ml_endpoints.registry")

_THERE: Final = "The Dockerfile's image is there."


class DockerfileRuns(Protocol):
    """Builds that go on elsewhere, whoever began them. Everything raises Unavailable while it
    cannot be asked, and StartFailure where it says no."""

    @abstractmethod
    async def begin(self, folder: Path, dockerfile: str, name: str) -> str:
        """What the build is called, of `folder` into the image `name`, a repository and a tag."""

    @abstractmethod
    async def goes_on(self, run: str) -> bool:
        """Or has come to a good end."""

    @abstractmethod
    async def follow(self, run: str, say: Say) -> None:
        """To its end, with what it prints. Raises StartFailure where that is not a good one."""

    @abstractmethod
    async def cancel(self, run: str) -> None:
        """Nobody wants it any more."""

    @abstractmethod
    async def close(self) -> None: ...


class BuiltDockerfiles(Dockerfiles):
    """Into `repository` of `registry`, which nobody else writes. Of all hosts one is at it; what
    one has begun that died, another goes on with."""

    def __init__(
        self,
        registry: Registry,
        repository: str,
        runs: DockerfileRuns,
        records: ImageRecords,
        assets: Assets,
        uses: ImageUses,
    ) -> None:
        self._registry = registry
        self._repository = repository
        self._runs = runs
        self._records = records
        self._assets = assets
        self._uses = uses
        self._turns = BuildTurns(records)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def named(self, build: DockerBuild) -> str:
        return f"{self._registry.host}/{self._repository}:{_key_of(build)}"

    async def ensure(self, build: DockerBuild, say: Say) -> str:
        key = _key_of(build)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                image = await self._ensured(build, key, say)
                await self._uses.used(image)
                return image
            except RegistryRefusal as refusal:
                told = f"The registry refuses the Dockerfile's image: {refusal.message}"
                raise StartFailure("ImageBuildFailure", told) from None

    async def close(self) -> None:
        await self._runs.close()

    # -- inside

    async def _ensured(self, build: DockerBuild, key: str, say: Say) -> str:
        found = await self._records.find(key)
        before = found[0].image if found is not None else None
        if before is not None and await self._is_there(before):
            for line in (await self._records.log(key)).splitlines():
                say(line)
            say(_THERE)
            return before
        async with self._turns.turn(
            ImageRecord(key, ""),
            lambda record: record.image not in (None, before),
            lambda: say("Another host has the Dockerfile built: waiting for it."),
        ) as turn:
            if turn is not None:
                async with kept_log(self._records, key, say) as both:
                    return await self._made(build, turn, both)
        return await self._ensured(build, key, say)

    async def _is_there(self, image: str) -> bool:
        digest = image.partition("@")[2]
        return await self._registry.digest(self._repository, digest) is not None

    async def _made(self, build: DockerBuild, turn: Turn, say: Say) -> str:
        key, run = turn.record.key, turn.record.run
        if run and await self._runs.goes_on(run):
            say("The build that was begun goes on.")
        else:
            run = await self._begun(build, key, say)
            await turn.save(replace(turn.record, run=run))
        try:
            await self._runs.follow(run, say)
        except asyncio.CancelledError:
            await self._runs.cancel(run)
            raise
        digest = await self._registry.digest(self._repository, key)
        if digest is None:
            await turn.save(replace(turn.record, run=""))
            told = f"The build came to a good end, and there is no image {self.named(build)}."
            raise StartFailure("ImageBuildFailure", told)
        image = f"{self._registry.host}/{self._repository}@{digest}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await turn.save(replace(turn.record, image=image, run="", made_at=now, holder=""))
        say(f"The Dockerfile's image is {image}.")
        about = {"action": "dockerfile_built", "environment": key, "image": image}
        _log.info("Dockerfile %s is %s", key, image, extra=about)
        return image

    async def _begun(self, build: DockerBuild, key: str, say: Say) -> str:
        context = build.context
        say(f"Fetching the context from {context.container}/{context.path}.")
        content = (await self._assets.ensure(context)).content
        dockerfile = build.dockerfile.removeprefix("./")
        if not await asyncio.to_thread((content / dockerfile).is_file):
            told = f"There is no {dockerfile} in {context.container}/{context.path}."
            raise StartFailure("ImageBuildFailure", told)
        say(f"Having {dockerfile} built.")
        return await self._runs.begin(content, dockerfile, f"{self._repository}:{key}")


def _key_of(build: DockerBuild) -> str:
    what = ["dockerfile", build.context.seal, build.dockerfile.removeprefix("./")]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
