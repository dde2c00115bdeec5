"""Assets as documents: a container and its versions share a partition."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from domain.assets.asset import (
    CONTAINER_ID,
    AnyContainer,
    AssetKind,
    AssetVersion,
    Saved,
    version_id,
)
from domain.assets.releasing import asset_release
from domain.errors import Conflict, Detail, DocumentNotFound, refuse
from domain.names import asset_name_fault
from domain.ports import Create, Document, Replace, ResourceStore, Write, all_documents
from domain.values import Value

TRIES = 20
"""Writers of one container that meet try again this often before one is told."""
_MAX_VERSION = 200
_SEAL = "seal"
"""Beside the resource, in which v0.1.0 refuses what it does not know."""

T = TypeVar("T", bound=Any)


class AssetDocuments:
    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def container(self, kind: AssetKind, name: str) -> Document | None:
        return await self._find(kind, name, CONTAINER_ID)

    async def version(self, kind: AssetKind, name: str, version: str) -> Document | None:
        if _version_fault(version):
            return None
        return await self._find(kind, name, version_id(version))

    async def write(self, kind: AssetKind, name: str, *writes: Write) -> Sequence[Document]:
        return await self._store.transact(kind.partition(name), writes)

    async def versions(self, kind: AssetKind, name: str) -> AsyncIterator[Saved[AssetVersion]]:
        """Every version, in no useful order; none for a container that is not there."""
        if asset_name_fault(name):
            return
        found = all_documents(self._store, kind.version_kind, partition=kind.partition(name))
        async for document in found:
            yield saved(kind.version, document)

    async def latest(
        self, kind: AssetKind, name: str, *, without: str, beside: AssetVersion | None = None
    ) -> str | None:
        """The version created last that is not archived, once `without` has given way to
        `beside`. Right as long as the container's ETag holds."""
        best = beside if beside is not None and not beside.properties.is_archived else None
        async for stored in self.versions(kind, name):
            found = stored.asset
            if found.properties.is_archived or found.version.casefold() == without.casefold():
                continue
            if best is None or found.ordinal > best.ordinal:
                best = found
        return best.version if best else None

    async def _find(self, kind: AssetKind, name: str, id: str) -> Document | None:
        if asset_name_fault(name):
            return None
        try:
            return await self._store.get(kind.partition(name), id)
        except DocumentNotFound:
            return None


def check_names(name: str, version: str | None = None) -> None:
    """Raises Invalid for what may not name an asset or a version."""
    faults = []
    if fault := asset_name_fault(name):
        faults.append(Detail("InvalidName", fault, "name"))
    if version is not None and (fault := _version_fault(version)):
        faults.append(Detail("InvalidName", fault, "version"))
    refuse(faults)


def _version_fault(version: str) -> str | None:
    if len(version) > _MAX_VERSION:
        return f"A version has at most {_MAX_VERSION} characters."
    return asset_name_fault(version)


def noun(kind: AssetKind, name: str, version: str | None = None) -> str:
    """How messages name an asset."""
    shown = name[:80] if version is None else f"{name[:80]}:{version[:80]}"
    return f"{kind.noun.capitalize()} '{shown}'"


def raced(what: str) -> Conflict:
    return Conflict(f"{what} is being changed by many requests at the same moment. Try again.")


def entity(model: type[T], document: Document) -> T:
    body = document.body["resource"]
    if (seal := document.body.get(_SEAL)) is not None:
        body = {**body, _SEAL: seal}
    found: T = model.from_document(body)
    return found


def saved(model: type[T], document: Document, *, new: bool = False) -> Saved[T]:
    return Saved(entity(model, document), document.etag, new)


def container_write(kind: AssetKind, asset: AnyContainer, document: Document | None) -> Write:
    """Create, or replace the one that `document` is."""
    body = _body(kind.container_kind, asset, asset.properties.is_archived)
    if document is not None:
        return Replace(document.id, body, document.etag)
    return Create(CONTAINER_ID, body)


def version_write(kind: AssetKind, asset: AssetVersion, document: Document | None) -> Write:
    body = _body(kind.version_kind, asset, asset.properties.is_archived)
    if document is not None:
        return Replace(document.id, body, document.etag)
    return Create(version_id(asset.version), body)


def left_by(kind: AssetKind, version: AssetVersion, now: datetime) -> list[Create]:
    """What is written with the deletion of a version, for its files to be freed."""
    of = f"{kind.plural}/{version.name}:{version.version}"
    seal = getattr(version, _SEAL, None)
    folder = getattr(version, "folder", None)
    return asset_release.of_version(of, folder, seal.id if seal else None, now)


def _body(kind: str, asset: Value, archived: bool) -> dict[str, Any]:
    resource = asset.to_document()
    seal = resource.pop(_SEAL, None)
    body = {"kind": kind, "archived": archived, "resource": resource}
    return body if seal is None else {**body, _SEAL: seal}
