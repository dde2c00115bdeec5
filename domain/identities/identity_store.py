"""Managed identities, and which of them a resource may use, as documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final
from uuid import uuid4

from domain.errors import Conflict, DocumentExists, DocumentNotFound, StaleETag
from domain.identities.managed_identity import KIND, PARTITION, ManagedIdentity
from domain.ports import Create, Delete, Document, Replace, ResourceStore, Write, all_documents

HOLDER_KIND = "identityHolder"
_STAMP = "stamp"
_STAMP_KIND = "identityStamp"
_TRIES = 20


@dataclass(frozen=True)
class StoredIdentity:
    """As it stands, with the ETag of its document."""

    identity: ManagedIdentity
    etag: str


class IdentityReading:
    """For whoever gives tokens of identities, and takes them."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def find(self, resource: str) -> ManagedIdentity | None:
        document = await self.document(resource)
        return self.of(document) if document is not None else None

    async def document(self, resource: str) -> Document | None:
        try:
            return await self._store.get(PARTITION, _identity_id(resource))
        except DocumentNotFound:
            return None

    def of(self, document: Document) -> ManagedIdentity:
        return ManagedIdentity.from_document(document.body["identity"])

    async def held(self, holder: str) -> Sequence[str]:
        """The identities, by their resources, that `holder` may use; its own first."""
        try:
            document = await self._store.get(PARTITION, _holder_id(holder))
        except DocumentNotFound:
            return ()
        held: list[str] = document.body["held"]
        return held

    async def stamp(self) -> str | None:
        """Another after each change of what any identity may."""
        try:
            return (await self._store.get(PARTITION, _STAMP)).etag
        except DocumentNotFound:
            return None


@final
class IdentityStore(IdentityReading):
    """All in one partition, so that whoever follows the stamp has missed nothing."""

    async def page(
        self, top: int, continuation: str | None, *, user_assigned: bool
    ) -> tuple[list[StoredIdentity], str | None]:
        """By name, those that are resources of their own or the others."""
        page = await self._store.query(
            KIND,
            partition=PARTITION,
            where={"userAssigned": user_assigned},
            page_size=top,
            continuation=continuation,
        )
        return [StoredIdentity(self.of(d), d.etag) for d in page.documents], page.continuation

    async def all(self) -> list[Document]:
        return [each async for each in all_documents(self._store, KIND, partition=PARTITION)]

    async def save(self, identity: ManagedIdentity, before: Document | None) -> Document:
        """In the place of `before`. Raises Conflict when somebody else was first."""
        id = _identity_id(identity.resource)
        body = {
            "kind": KIND,
            "userAssigned": identity.is_user_assigned,
            "identity": identity.to_document(),
        }
        write = Create(id, body) if before is None else Replace(id, body, before.etag)
        try:
            written, *_ = await self._stamped([write])
        except (StaleETag, DocumentExists, DocumentNotFound) as error:
            raise Conflict(
                f"Identity '{identity.name}' was changed by another request at the same moment. "
                "Try again."
            ) from error
        return written

    async def delete(self, resource: str, etag: str | None = None) -> bool:
        """False if it is not there. Raises StaleETag."""
        try:
            await self._stamped([Delete(_identity_id(resource), etag)])
        except DocumentNotFound:
            return False
        return True

    # -- who may use which

    async def hold(self, holder: str, held: Sequence[str]) -> None:
        """From now on these and no others."""
        id = _holder_id(holder)
        if not held:
            try:
                await self._store.transact(PARTITION, [Delete(id)])
            except DocumentNotFound:
                return
            return
        body = {"kind": HOLDER_KIND, "held": list(held)}
        try:
            await self._store.transact(PARTITION, [Create(id, body)])
        except DocumentExists:
            await self._store.transact(PARTITION, [Replace(id, body, None)])

    async def _stamped(self, writes: list[Write]) -> Sequence[Document]:
        """With the stamp, in one transaction."""
        for _ in range(_TRIES):
            body = {"kind": _STAMP_KIND, "stamp": uuid4().hex}
            try:
                known = await self._store.get(PARTITION, _STAMP)
            except DocumentNotFound:
                stamp: Write = Create(_STAMP, body)
            else:
                stamp = Replace(_STAMP, body, known.etag)
            try:
                return await self._store.transact(PARTITION, [*writes, stamp])
            except (StaleETag, DocumentExists):
                if await self._is_stamped_by_another(stamp):
                    continue
                raise
        raise Conflict("Identities are being changed by other requests. Try again.")

    async def _is_stamped_by_another(self, mine: Write) -> bool:
        """Whether it was the stamp that somebody else has changed meanwhile."""
        try:
            found = await self._store.get(PARTITION, _STAMP)
        except DocumentNotFound:
            return False
        return isinstance(mine, Create) or found.etag != mine.etag


def _identity_id(resource: str) -> str:
    return f"identity:{resource.casefold().replace('/', ':')}"


def _holder_id(holder: str) -> str:
    return f"holder:{holder.casefold().replace('/', ':')}"
