"""Images made of others by layers on top, without an engine."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from infra.compute.registry.image_manifest import Descriptor, ImageConfig, Manifest, digest_of
from infra.compute.registry.layer_file import Layer
from infra.compute.registry.registry import Registry

_TOGETHER: Final = 3
"""Layers of a base that are brought over at once."""


@dataclass(frozen=True)
class Pulled:
    """An image where it is: the layers themselves are not read."""

    registry: Registry
    repository: str
    manifest: Manifest
    digest: str
    config: ImageConfig

    @property
    def name(self) -> str:
        return f"{self.registry.host}/{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Stacked:
    """A layer that the registry has by then, and what its tar is called."""

    descriptor: Descriptor
    diff_id: str


@dataclass(frozen=True)
class Changes:
    """How an image is run that is made of another. `variables` and `labels` come to what there
    is; its own command and user go, and `user`, if any, takes that one's place."""

    variables: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    user: str = ""


class ImageAppending:
    """Puts images into `repository` of `registry`."""

    def __init__(self, registry: Registry, repository: str, scratch: Path) -> None:
        self._registry = registry
        self._repository = repository
        self._scratch = scratch

    async def push(self, layer: Layer, media_type: str) -> Stacked:
        """Where it is not there yet."""
        descriptor = layer.descriptor(media_type)
        await self._registry.ensure_blob(self._repository, descriptor, layer.path)
        return Stacked(descriptor, layer.diff_id)

    async def stack(
        self, base: Pulled, layers: Sequence[Stacked], changes: Changes, tag: str
    ) -> str:
        """The digest of `base` with `layers` on it, which `tag` names from now on. The same for
        the same. What breaks off has no name, and the registry's own cleaning takes it."""
        places = asyncio.Semaphore(_TOGETHER)
        await asyncio.gather(*(self._bring(base, each, places) for each in base.manifest.layers))
        config = _configured(base.config, layers, changes)
        described = Descriptor(
            base.manifest.config.media_type, digest_of(config.text), len(config.text)
        )
        await self._registry.ensure_blob(self._repository, described, config.text)
        # By the base's own names for kinds of layers: engines take no mixture.
        kind = base.manifest.layer_type
        stacked = [
            Descriptor(kind, each.descriptor.digest, each.descriptor.size) for each in layers
        ]
        manifest = base.manifest.but(
            described, [*base.manifest.layers, *stacked], changes.annotations
        )
        return await self._registry.put_manifest(self._repository, tag, manifest)

    async def _bring(self, base: Pulled, layer: Descriptor, places: asyncio.Semaphore) -> None:
        async with places:
            if base.registry is self._registry:
                await self._mount(base, layer)
            elif not await self._registry.has_blob(self._repository, layer.digest):
                await self._copy(base, layer)

    async def _mount(self, base: Pulled, layer: Descriptor) -> None:
        if base.repository == self._repository:
            return
        if await self._registry.has_blob(self._repository, layer.digest):
            return
        if not await self._registry.mount_blob(self._repository, layer.digest, base.repository):
            await self._copy(base, layer)

    async def _copy(self, base: Pulled, layer: Descriptor) -> None:
        await asyncio.to_thread(self._scratch.mkdir, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / "layer"
            with await asyncio.to_thread(path.open, "wb") as file:
                async for piece in base.registry.read_blob(base.repository, layer):
                    await asyncio.to_thread(file.write, piece)
            await self._registry.ensure_blob(self._repository, layer, path)


def _configured(base: ImageConfig, layers: Sequence[Stacked], changes: Changes) -> ImageConfig:
    body: dict[str, Any] = dict(base.body)
    body["rootfs"] = {
        "type": "layers",
        "diff_ids": [*base.diff_ids, *(layer.diff_id for layer in layers)],
    }
    body["history"] = [
        *(body.get("history") or []),
        *({"created_by": "ml-endpoints", "comment": layer.descriptor.digest} for layer in layers),
    ]
    run = dict(body.get("config") or {})
    for gone in ("Cmd", "Entrypoint", "User", "Healthcheck", "OnBuild"):
        run.pop(gone, None)
    variables = {**base.variables, **changes.variables}
    run["Env"] = [f"{name}={value}" for name, value in variables.items()]
    run["Labels"] = {**base.labels, **changes.labels}
    if changes.user:
        run["User"] = changes.user
    body["config"] = run
    body.pop("container", None)
    body.pop("container_config", None)
    return ImageConfig(body)
