"""When images that this installation has made were last wanted, and what becomes of the others."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from domain.errors import DocumentExists, DocumentNotFound, StaleETag, Unavailable
from domain.ports import Create, Delete, Replace, ResourceStore, Write, all_documents
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryRefusal

_log = logging.getLogger("ml_endpoints.registry")

PARTITION: Final = "imageUses"
_KIND: Final = "imageUse"
_A_DAY: Final = 86_400.0
"""Seconds within which a use is not told anew."""


@dataclass(frozen=True)
class ImageUse:
    """`going`: it is being removed."""

    repository: str
    digest: str
    used_at: float
    going: bool = False

    @classmethod
    def of(cls, body: Any) -> Self:
        return cls(**{name: body[name] for name in cls.__dataclass_fields__ if name in body})

    @property
    def id(self) -> str:
        return f"{self.repository.replace('/', '.')}:{self.digest.removeprefix('sha256:')}"

    @property
    def body(self) -> dict[str, Any]:
        return {"kind": _KIND, **asdict(self)}


class ImageUses:
    """Of images in `registry` below `path`. What is removed is marked first, so that nobody begins
    to use what is about to go."""

    def __init__(
        self, store: ResourceStore, registry: Registry, path: str, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._registry = registry
        self._path = path
        self._now = now

    async def used(self, image: str) -> None:
        """It is wanted now; of any image, by its digest: nothing is kept of others' ones. Raises
        Unavailable where it is being removed: it is made anew by whoever tries again."""
        use = self._use_of(image)
        if use is None:
            return
        found = await self._find(use.id)
        if found is None:
            await self._written(Create(use.id, use.body))
            return
        before, etag = found
        if before.going:
            try:
                await self._remove(before, etag)
            except RegistryRefusal:  # it removes nothing: the image stays
                await self._written(Replace(use.id, use.body, etag))
                return
            raise Unavailable(f"{image} was not used for long, and is removed: it is made anew.")
        if use.used_at - before.used_at < _A_DAY:
            return
        if not await self._written(Replace(use.id, use.body, etag)):
            await self.used(image)  # somebody else was quicker

    async def purge(self, before: float) -> list[str]:
        """The images that went, which nobody has wanted since `before`. Raises RegistryRefusal and
        Unavailable."""
        gone = []
        found = all_documents(self._store, _KIND, partition=PARTITION)
        listed = [(ImageUse.of(each.body), each.etag) async for each in found]
        for use, etag in listed:
            if not use.going and use.used_at >= before:
                continue
            marked = await self._marked(use, etag)
            if marked is None:
                continue
            try:
                await self._remove(*marked)
            except RegistryRefusal:  # nobody is to take it for one that goes
                await self._written(Replace(use.id, replace(use, going=False).body, marked[1]))
                raise
            image = f"{self._registry.host}/{use.repository}@{use.digest}"
            gone.append(image)
            _log.info(
                "%s was not used for long", image, extra={"action": "image_purged", "image": image}
            )
        return gone

    # -- inside

    def _use_of(self, image: str) -> ImageUse | None:
        name, _, digest = image.partition("@")
        host, _, repository = name.partition("/")
        if host != self._registry.host or not digest or not repository.startswith(f"{self._path}/"):
            return None
        return ImageUse(repository, digest, self._now())

    async def _find(self, id: str) -> tuple[ImageUse, str] | None:
        try:
            found = await self._store.get(PARTITION, id)
        except DocumentNotFound:
            return None
        return ImageUse.of(found.body), found.etag

    async def _marked(self, use: ImageUse, etag: str) -> tuple[ImageUse, str] | None:
        """None where somebody wants it after all."""
        if use.going:
            return use, etag
        going = replace(use, going=True)
        try:
            [written] = await self._store.transact(PARTITION, [Replace(use.id, going.body, etag)])
        except (StaleETag, DocumentNotFound):
            return None
        return going, written.etag

    async def _remove(self, use: ImageUse, etag: str) -> None:
        """Raises RegistryRefusal; and Unavailable: it stays marked, for the next who comes."""
        await self._registry.delete_manifest(use.repository, use.digest)
        await self._written(Delete(use.id, etag))

    async def _written(self, write: Write) -> bool:
        try:
            await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists, DocumentNotFound):
            return False
        return True
