"""A registry of images, by its HTTP API (OCI distribution specification 1.1)."""

import asyncio
import hashlib
import json
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from infra.compute.registry.blob_uploads import BlobUploads
from infra.compute.registry.image_manifest import (
    ACCEPTED,
    INDEXES,
    Descriptor,
    Manifest,
    NotAnImage,
    Platform,
    digest_of,
    of_platform,
)
from infra.compute.registry.registry_calls import (
    MOST,
    RegistryCalls,
    RegistryRefusal,
    check,
    scope_of,
    short,
)


@dataclass(frozen=True)
class Found:
    """A manifest, and the digest by which the registry has it."""

    manifest: Manifest
    digest: str


class Registry:
    """Everything raises Unavailable while it cannot be asked, after several tries, and
    RegistryRefusal."""

    def __init__(self, calls: RegistryCalls) -> None:
        self._calls = calls
        self._uploads = BlobUploads(calls)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @property
    def host(self) -> str:
        """As it stands in names of images."""
        return self._calls.host

    async def close(self) -> None:
        await self._calls.close()

    # -- manifests

    async def digest(self, repository: str, reference: str) -> str | None:
        """What a tag means now, whatever it names; None where there is none."""
        text = await self._manifest_text(repository, reference)
        return digest_of(text) if text is not None else None

    async def manifest(
        self, repository: str, reference: str, platform: Platform | None = None
    ) -> Found | None:
        """Of an image by tag or digest; of one for several platforms, that for `platform`."""
        text = await self._manifest_text(repository, reference)
        if text is None:
            return None
        try:
            media_type = json.loads(text).get("mediaType")
            if media_type in INDEXES:
                if platform is None:
                    raise NotAnImage("it is several images, for one platform each")
                chosen = of_platform(text, platform)
                return await self.manifest(repository, chosen.digest)
            return Found(Manifest.read(text), digest_of(text))
        except (NotAnImage, ValueError, AttributeError, TypeError) as error:
            raise self._useless(repository, reference, error) from None

    async def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> str:
        """Its digest. What it names must be there."""
        text = manifest.text
        async with self._calls.asked(
            "PUT",
            self._calls.at(repository, "manifests", reference),
            scope_of(repository, "pull,push"),
            body=text,
            headers={"Content-Type": manifest.media_type},
        ) as answer:
            await check(answer, 201)
        return digest_of(text)

    async def delete_manifest(self, repository: str, digest: str) -> bool:
        """Whether it was there. What only it named goes with the registry's own cleaning."""
        at = self._calls.at(repository, "manifests", digest)
        async with self._calls.asked(
            "DELETE", at, scope_of(repository, "pull,push,delete")
        ) as answer:
            if answer.status == 404:
                return False
            await check(answer, 202, 200)
            return True

    async def _manifest_text(self, repository: str, reference: str) -> bytes | None:
        at = self._calls.at(repository, "manifests", reference)
        headers = {"Accept": ", ".join(ACCEPTED)}
        async with self._calls.asked(
            "GET", at, scope_of(repository, "pull"), headers=headers
        ) as answer:
            if answer.status == 404:
                return None
            await check(answer, 200)
            text = await short(answer)
        if reference.startswith("sha256:") and digest_of(text) != reference:
            raise self._useless(repository, reference, "it has another digest")
        return text

    # -- blobs

    async def has_blob(self, repository: str, digest: str) -> bool:
        at = self._calls.at(repository, "blobs", digest)
        async with self._calls.asked("HEAD", at, scope_of(repository, "pull")) as answer:
            if answer.status == 404:
                return False
            if answer.status >= 400:  # HEAD has no body that would say why
                raise RegistryRefusal(answer.status, f"{self.host} answers {answer.status}.")
            return True

    async def small_blob(self, repository: str, blob: Descriptor) -> bytes:
        """A whole one, such as an image's configuration, that is what its digest says."""
        pieces = [piece async for piece in self.read_blob(repository, blob, most=MOST)]
        return b"".join(pieces)

    async def read_blob(
        self, repository: str, blob: Descriptor, *, most: int | None = None
    ) -> AsyncIterator[bytes]:
        """Nothing of it may be trusted before its end, where it has proven to have its digest."""
        if most is not None and blob.size > most:
            raise self._useless(repository, blob.digest, f"it has {blob.size:,} bytes")
        at = self._calls.at(repository, "blobs", blob.digest)
        digest, size = hashlib.sha256(), 0
        async with self._calls.asked("GET", at, scope_of(repository, "pull"), limit=None) as answer:
            await check(answer, 200)
            async for piece in answer.content.iter_chunked(2**18):
                size += len(piece)
                if size > blob.size:
                    break
                await asyncio.to_thread(digest.update, piece)
                yield piece
        if size != blob.size or f"sha256:{digest.hexdigest()}" != blob.digest:
            raise self._useless(repository, blob.digest, "it is not what its digest says")

    async def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Have in `repository` what `source`, a repository of this registry, has; False where the
        registry would rather have it sent."""
        url = self._calls.at(repository, "blobs/uploads", "").with_query(
            mount=digest, **{"from": source}
        )
        scope = f"{scope_of(repository, 'pull,push')} {scope_of(source, 'pull')}"
        async with self._calls.asked("POST", url, scope) as answer:
            if answer.status == 201:
                return True
            await check(answer, 202)
            place = self._calls.place(answer)
        async with self._calls.asked("DELETE", place, scope) as answer:  # it began an upload
            return False

    async def ensure_blob(self, repository: str, blob: Descriptor, content: bytes | Path) -> None:
        """Have it there, sent unless it is. Those who want the same at once send it once."""
        lock = self._locks.setdefault(f"{repository}@{blob.digest}", asyncio.Lock())
        async with lock:
            if not await self.has_blob(repository, blob.digest):
                await self._uploads.send(repository, blob, content)

    def _useless(self, repository: str, what: str, why: object) -> RegistryRefusal:
        return RegistryRefusal(0, f"{self.host}/{repository}@{what} cannot be used: {why}.")
