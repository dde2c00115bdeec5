"""Resources that are one document each, under their names in one partition, and that are what
was asked for as soon as the answer is given."""

from collections.abc import Callable
from typing import Generic, TypeVar

from domain.errors import (
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    NotFound,
    StaleETag,
    refuse,
)
from domain.ground.resource import Conditions, Stored, TrackedResource, from_document, to_body
from domain.ports import Create, Delete, Document, Replace, ResourceStore, Write

R = TypeVar("R", bound=TrackedResource)


class NamedResources(Generic[R]):
    """`kind` is the store's, `noun` what messages call one; `name_fault` says why a name is
    none, or None."""

    def __init__(
        self,
        store: ResourceStore,
        model: type[R],
        *,
        kind: str,
        partition: str,
        noun: str,
        name_fault: Callable[[str], str | None],
    ) -> None:
        self._store = store
        self._model = model
        self._kind = kind
        self._partition = partition
        self._noun = noun
        self._name_fault = name_fault

    async def get(self, name: str) -> Stored[R]:
        """Raises NotFound."""
        document = await self.find(name)
        if document is None:
            raise NotFound(f"{self._noun} '{name[:64]}' was not found.")
        return Stored(self.of(document), document.etag)

    async def list(self, top: int, continuation: str | None) -> tuple[list[Stored[R]], str | None]:
        """By name."""
        page = await self._store.query(
            self._kind, partition=self._partition, page_size=top, continuation=continuation
        )
        return [Stored(self.of(d), d.etag) for d in page.documents], page.continuation

    async def find(self, name: str) -> Document | None:
        if self._name_fault(name):
            return None
        try:
            return await self._store.get(self._partition, name.casefold())
        except DocumentNotFound:
            return None

    async def admit(self, name: str, conditions: Conditions, most: int | None) -> Document | None:
        """The document that a PUT of `name` would change; None for one that would be new.
        Raises PreconditionFailed, NotFound, Invalid for what is no name, and Conflict for
        one more than `most`."""
        document = await self.find(name)
        conditions.check(document, f"{self._noun} '{name[:64]}'")
        if document is None and (fault := self._name_fault(name)):
            refuse([Detail("InvalidName", fault, "name")])
        if document is None and most is not None:
            page = await self._store.query(self._kind, partition=self._partition, page_size=most)
            if len(page.documents) >= most:
                raise Conflict(
                    f"There are {most} of these already, which is the limit. Delete one first.",
                    code="QuotaExceeded",
                )
        return document

    async def save(
        self, new: R, document: Document | None, *, due_at: float | None = None
    ) -> Stored[R]:
        """In the place of `document`. Raises Conflict when somebody else was first."""
        body = to_body(self._kind, new)
        write: Write = Create(new.name.casefold(), body, due_at=due_at)
        if document is not None:
            write = Replace(document.id, body, document.etag, due_at=due_at)
        try:
            written, *_ = await self._store.transact(self._partition, [write])
        except (StaleETag, DocumentExists, DocumentNotFound) as error:
            raise Conflict(
                f"{self._noun} '{new.name}' was changed by another request at the same moment. "
                "Try again."
            ) from error
        return Stored(new, written.etag)

    async def delete(self, name: str, conditions: Conditions) -> R | None:
        """What was deleted; None if it is not there. Raises PreconditionFailed."""
        document = await self.find(name)
        if document is None:
            return None
        conditions.check(document, f"{self._noun} '{name[:64]}'")
        return await self.remove(document)

    async def remove(self, document: Document) -> R | None:
        """As `delete`, of what has been found. Raises PreconditionFailed when it has changed
        since."""
        try:
            await self._store.transact(self._partition, [Delete(document.id, document.etag)])
        except DocumentNotFound:
            return None
        return self.of(document)

    def of(self, document: Document) -> R:
        return from_document(self._model, document)
