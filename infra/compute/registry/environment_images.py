"""Environments as images in a registry, made without an engine: each once for what it asks for."""

import asyncio
import hashlib
import json
import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from domain.ports import EnvironmentBuild, EnvironmentSpec
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.image_layout import ENVIRONMENT
from infra.compute.package_sources import PackageSources
from infra.compute.registry.base_python import BasePython, python_of
from infra.compute.registry.build_turns import BuildTurns, Turn
from infra.compute.registry.dockerfiles.dockerfiles import Dockerfiles
from infra.compute.registry.image_appending import Changes, ImageAppending, Pulled, Stacked
from infra.compute.registry.image_manifest import Descriptor
from infra.compute.registry.image_records import ImageRecord, ImageRecords, KeptLayer, kept_log
from infra.compute.registry.image_sources import ImageSources
from infra.compute.registry.layer_builds import LayerBuilds, Say
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryRefusal

_log = logging.getLogger("ml_endpoints.registry")

_VARIABLES: Final = {"PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8", "HOME": "/tmp"}
_LABEL: Final = "ml-endpoints.environment"
_BASE: Final = "org.opencontainers.image.base"


@dataclass(frozen=True)
class Shelf:
    """Where images of environments are: `repository` of `registry`, which nobody else writes."""

    registry: Registry
    repository: str


class EnvironmentImages:
    """`base_of` names the image that an environment stands on which names none."""

    def __init__(
        self,
        shelf: Shelf,
        sources: ImageSources,
        builds: LayerBuilds,
        records: ImageRecords,
        packages: PackageSources,
        base_of: Callable[[EnvironmentSpec], str],
        dockerfiles: Dockerfiles,
        *,
        scratch: Path,
    ) -> None:
        self._shelf = shelf
        self._sources = sources
        self._builds = builds
        self._records = records
        self._packages = packages
        self._base_of = base_of
        self._dockerfiles = dockerfiles
        self._scratch = scratch
        self._turns = BuildTurns(records)
        self._appending = ImageAppending(shelf.registry, shelf.repository, scratch)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._pythons: dict[str, BasePython] = {}

    def key_of(self, spec: EnvironmentSpec) -> str:
        """The hash that names what `spec` asks for, wherever its packages come from."""
        meant = self._packages.meant(spec)
        wish = replace(meant, requirements=tuple(sorted(spec.requirements)), image=None, build=None)
        text = json.dumps([self._packages.as_json(wish), self._base(spec)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    async def ensure(self, spec: EnvironmentSpec, say: Say) -> str:
        """The image by its digest, made if it is not there: those who want the same wait for one.
        Raises StartFailure, and Unavailable for what passes by itself."""
        key = self.key_of(spec)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                return await self._ensured(spec, key, say)
            except RegistryRefusal as refusal:
                told = f"The registry refuses the environment's image: {refusal.message}"
                raise StartFailure("ImageBuildFailure", told) from None

    async def built(self, spec: EnvironmentSpec) -> EnvironmentBuild | None:
        """What making its image came to; None where it has not been made."""
        key = self.key_of(spec)
        found = await self._records.find(key)
        if found is None or found[0].image is None:
            return None
        lock, log = await self._records.lock(key), await self._records.log(key)
        return EnvironmentBuild(lock, log, found[0].image, found[0].base)

    async def log(self, spec: EnvironmentSpec) -> str:
        """What was printed while its image was made, as far as that has come; by any host."""
        return await self._records.log(self.key_of(spec))

    async def close(self) -> None:
        await self._dockerfiles.close()
        await self._sources.close()

    async def as_it_is(self, spec: EnvironmentSpec, say: Say) -> str:
        """The name of an image as its user has it, with nothing of ours put in where it needs no
        packages. Raises as `ensure`."""
        if spec.python:
            return await self.ensure(spec, say)
        if spec.build is not None:
            return await self._dockerfiles.ensure(spec.build, say)
        return self._base(spec)

    def _base(self, spec: EnvironmentSpec) -> str:
        if spec.build is not None:
            return self._dockerfiles.named(spec.build)
        return spec.image or self._base_of(spec)

    async def _ensured(self, spec: EnvironmentSpec, key: str, say: Say) -> str:
        found = await self._records.find(key)
        if found is not None and self._is_made(found[0]) and await self._is_there(found[0]):
            for line in (await self._records.log(key)).splitlines():
                say(line)
            say("The environment's image is there.")
            return str(found[0].image)
        missing = found[0].image if found is not None and self._is_made(found[0]) else None
        wish = ImageRecord(key, self._base(spec))
        async with self._turns.turn(
            wish,
            lambda record: self._is_made(record) and record.image != missing,
            lambda: say("Another host makes the environment's image: waiting for it."),
        ) as turn:
            if turn is not None:
                return await self._made(spec, turn, say)
        return await self._ensured(spec, key, say)

    def _is_made(self, record: ImageRecord) -> bool:
        """By this version of our own package."""
        return record.image is not None and record.program == self._builds.program_digest

    async def _is_there(self, record: ImageRecord) -> bool:
        if record.image is None:
            return False
        digest = record.image.partition("@")[2]
        shelf = self._shelf
        return await shelf.registry.digest(shelf.repository, digest) is not None

    async def _made(self, spec: EnvironmentSpec, turn: Turn, say: Say) -> str:
        async with kept_log(self._records, turn.record.key, say) as both:
            image, made = await self._build(spec, turn.record, both)
        await turn.save(made)  # where another has taken over, it makes the same
        _log.info(
            "Environment %s is %s",
            made.key,
            image,
            extra={"action": "environment_image_made", "environment": made.key, "image": image},
        )
        return image

    async def _build(
        self, spec: EnvironmentSpec, record: ImageRecord, both: Say
    ) -> tuple[str, ImageRecord]:
        name = self._base(spec)
        if spec.build is not None:
            name = await self._dockerfiles.ensure(spec.build, both)
        base = await self._sources.pulled(name)
        both(f"Building the environment on {base.name}.")
        python = await self._python(base)
        layers = await self._layers(spec, base, python, record, both)
        image = await self._stacked(record.key, base, layers, bool(spec.python))
        both(f"The environment is {image}.")
        made = replace(
            record,
            base=name,
            base_digest=base.digest,
            python=python.real,
            image=image,
            layers=tuple(_kept(each) for each in layers),
            program=self._builds.program_digest,
            has_packages=bool(spec.python),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            holder="",
        )
        return image, made

    async def rebased(self, record: ImageRecord) -> str | None:
        """The image on what its base means by now, its packages as they were, where that is another
        and has the same Python; None where all stays. Raises StartFailure, RegistryRefusal and
        Unavailable."""
        base = await self._sources.pulled(record.base)
        if record.image is None or base.digest == record.base_digest:
            return None
        python = await self._python(base)
        if python.real != record.python:
            told = f"its Python is {python.real}, and its packages are for {record.python}"
            raise StartFailure("ImageBuildFailure", f"{base.name} is not taken: {told}.")
        before = record.image
        async with self._turns.turn(
            record, lambda each: each.image != before, lambda: None
        ) as turn:
            if turn is None:
                return None
            layers = [stacked_of(turn.record.layers[0]), await self._program_layer(base)]
            image = await self._stacked(record.key, base, layers, record.has_packages)
            made = replace(turn.record, base_digest=base.digest, image=image, holder="")
            made = replace(made, layers=tuple(_kept(each) for each in layers))
            await turn.save(replace(made, program=self._builds.program_digest))
        return image

    async def _stacked(
        self, key: str, base: Pulled, layers: list[Stacked], has_packages: bool
    ) -> str:
        """The name by its digest of the image of `base` and `layers`."""
        variables = dict(_VARIABLES)
        if has_packages:
            own = f"{ENVIRONMENT}/bin"
            variables |= {"PATH": f"{own}:{base.config.path}", "VIRTUAL_ENV": ENVIRONMENT}
        said = {f"{_BASE}.name": base.name.partition("@")[0], f"{_BASE}.digest": base.digest}
        changes = Changes(variables, {_LABEL: key, **said}, said)
        digest = await self._appending.stack(base, layers, changes, tag=key)
        return f"{self._shelf.registry.host}/{self._shelf.repository}@{digest}"

    async def _python(self, base: Pulled) -> BasePython:
        if base.digest not in self._pythons:
            self._pythons[base.digest] = await python_of(base, self._scratch)
        return self._pythons[base.digest]

    async def _layers(
        self,
        spec: EnvironmentSpec,
        base: Pulled,
        python: BasePython,
        record: ImageRecord,
        say: Say,
    ) -> list[Stacked]:
        packages = await self._kept_packages(record, python)
        if packages is None:
            packages = await self._packages_layer(spec, base, python, record.key, say)
        else:
            say("The environment's layer is there.")
        return [packages, await self._program_layer(base)]

    async def _program_layer(self, base: Pulled) -> Stacked:
        """Our own package, as a layer for images such as `base`."""
        async with self._builds.program() as layer:
            return await self._appending.push(layer, base.manifest.layer_type)

    async def _packages_layer(
        self, spec: EnvironmentSpec, base: Pulled, python: BasePython, key: str, say: Say
    ) -> Stacked:
        lock = await self._records.lock(key)
        platform = base.config.platform
        async with self._builds.environment(spec, python, platform, lock, say) as built:
            if built.lock and not lock:
                await self._records.keep_lock(key, built.lock)
            return await self._appending.push(built.layer, base.manifest.layer_type)

    async def _kept_packages(self, record: ImageRecord, python: BasePython) -> Stacked | None:
        """The layer that was made before, if it is there and for this Python."""
        if not record.layers or record.python != python.real:
            return None
        layer = stacked_of(record.layers[0])
        is_there = self._shelf.registry.has_blob(self._shelf.repository, layer.descriptor.digest)
        return layer if await is_there else None


def _kept(layer: Stacked) -> KeptLayer:
    descriptor = layer.descriptor
    return KeptLayer(descriptor.media_type, descriptor.digest, descriptor.size, layer.diff_id)


def stacked_of(layer: KeptLayer) -> Stacked:
    return Stacked(Descriptor(layer.media_type, layer.digest, layer.size), layer.diff_id)
