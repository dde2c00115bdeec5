"""Images that hold all a node starts from, in a registry: an environment with model and code on it.

For fleets without an engine: a node fetches nothing when it starts but its image.
"""

import asyncio
import hashlib
import json
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from domain.assets import conda
from domain.ports import EnvironmentSpec, Program, SealedFolder
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Asset, Assets
from infra.compute.ground.image_layout import CODE, MODEL
from infra.compute.registry.environment_images import EnvironmentImages, Shelf
from infra.compute.registry.image_appending import Changes, ImageAppending, Stacked
from infra.compute.registry.image_sources import ImageSources
from infra.compute.registry.layer_builds import Say
from infra.compute.registry.layer_file import Entry, Layer, tree, write_layer
from infra.compute.registry.registry_calls import RegistryRefusal
from infra.compute.registry.upkeep.image_uses import ImageUses

USER: Final = "10001:10001"
"""Who a node's processes are: nobody that any image knows."""
_ROOT: Final = "ml-endpoints.code-root"
_AGENT: Final = EnvironmentSpec(conda.HOST_PYTHON, ())
"""Of an agent beside a server of the user's own: nothing but itself."""


@dataclass(frozen=True)
class ProgramImage:
    """What a node starts from, by its digest. `code_root` is the folder of the code that is run
    from, relative to where the code is; '' for that itself. `server` is the image of a server of
    the user's own, beside which an agent runs from `name`."""

    name: str
    code_root: str
    has_model: bool
    has_code: bool
    server: str = ""


class ProgramImages:
    """On `shelf`, which nobody else writes. Several hosts that want the same make the same."""

    def __init__(
        self,
        shelf: Shelf,
        environments: EnvironmentImages,
        sources: ImageSources,
        assets: Assets,
        uses: ImageUses,
        *,
        scratch: Path,
    ) -> None:
        self._uses = uses
        self._shelf = shelf
        self._environments = environments
        self._sources = sources
        self._assets = assets
        self._scratch = scratch
        self._appending = ImageAppending(shelf.registry, shelf.repository, scratch)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def ensure(self, program: Program, say: Say) -> ProgramImage:
        """Made if it is not there. Raises StartFailure, and Unavailable for what passes by
        itself."""
        spec, server = program.environment, ""
        if program.server is not None:
            server = await self._environments.as_it_is(spec, say)
            spec = spec if spec.python else _AGENT
        environment = await self._environments.ensure(spec, say)
        tag = _tag_of(environment, program)
        async with self._locks.setdefault(tag, asyncio.Lock()):
            try:
                name, root = await self._ensured(program, environment, tag, say)
            except RegistryRefusal as refusal:
                told = f"The registry refuses the image of model and code: {refusal.message}"
                raise StartFailure("ImageBuildFailure", told) from None
        for image in (environment, name, server):
            await self._uses.used(image)
        return ProgramImage(name, root, program.model is not None, program.code is not None, server)

    async def there(self, program: Program) -> list[str]:
        """What has been made for it, and is what it would start from now."""
        specs = [program.environment]
        if program.server is not None and not program.environment.python:
            specs.append(_AGENT)
        found = []
        for spec in specs:
            built = await self._environments.built(spec)
            if built is None or not built.image:
                continue
            registry, repository = self._shelf.registry, self._shelf.repository
            digest = await registry.digest(repository, _tag_of(built.image, program))
            named = [f"{registry.host}/{repository}@{digest}"] if digest is not None else []
            found += [built.image, built.base or "", *named]
        return found

    async def _ensured(
        self, program: Program, environment: str, tag: str, say: Say
    ) -> tuple[str, str]:
        registry, repository = self._shelf.registry, self._shelf.repository
        if await registry.digest(repository, tag) is not None:
            there = await self._sources.pulled(f"{registry.host}/{repository}:{tag}")
            say("The image with model and code is there.")
            return there.name, there.config.labels.get(_ROOT, "")
        base = await self._sources.pulled(environment)
        layers, root = [], ""
        if program.code is not None:
            asset = await self._fetched(program.code, "code", say)
            is_folder = asset.content.is_dir()
            root = asset.content.name if is_folder and asset.content != asset.folder else ""
            layers.append(await self._pushed(asset.folder, CODE, base.manifest.layer_type, say))
        if program.model is not None:
            asset = await self._fetched(program.model, "model", say)
            layers.append(await self._pushed(asset.folder, MODEL, base.manifest.layer_type, say))
        changes = Changes({}, {_ROOT: root}, {}, USER)
        digest = await self._appending.stack(base, layers, changes, tag)
        name = f"{registry.host}/{repository}@{digest}"
        say(f"The image with model and code is {name}.")
        return name, root

    async def _fetched(self, source: SealedFolder, what: str, say: Say) -> Asset:
        say(f"Fetching the {what} from {source.container}/{source.path}.")
        return await self._assets.ensure(source)

    async def _pushed(self, folder: Path, place: str, layer_type: str, say: Say) -> Stacked:
        await asyncio.to_thread(self._scratch.mkdir, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch) as scratch:
            layer = await asyncio.to_thread(_written, Path(scratch) / "layer", folder, place)
            say(f"A layer of {layer.size / 2**20:,.1f} MiB for {place}.")
            return await self._appending.push(layer, layer_type)


def _written(target: Path, folder: Path, place: str) -> Layer:
    entries: Iterator[Entry] = chain(tree(folder, place.lstrip("/")))
    return write_layer(target, entries)


def _tag_of(environment: str, program: Program) -> str:
    """Another one with everything that is in the image."""
    seals = [part.seal if part is not None else "" for part in (program.code, program.model)]
    return hashlib.sha256(json.dumps([environment, *seals, USER]).encode()).hexdigest()[:32]
