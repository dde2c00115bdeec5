"""Documents with ETags."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """One stored body. `etag` is opaque and new after every write, recreation included.

    `due_at` (Unix seconds) marks unfinished work: the sweep finds documents by it. None
    means nothing is outstanding.
    """

    partition: str
    id: str
    body: Json
    etag: str
    due_at: float | None = None


@dataclass(frozen=True)
class Create:
    """Fails with DocumentExists if the id is taken. `ttl` seconds after its last write a
    document may vanish by itself; None keeps it."""

    id: str
    body: Json
    due_at: float | None = None
    ttl: int | None = None


@dataclass(frozen=True)
class Replace:
    """Fails with DocumentNotFound, or StaleETag when `etag` (None: any) is not current."""

    id: str
    body: Json
    etag: str | None
    due_at: float | None = None
    ttl: int | None = None


@dataclass(frozen=True)
class Delete:
    """Fails with DocumentNotFound, or StaleETag when `etag` (None: any) is not current."""

    id: str
    etag: str | None = None


Write = Create | Replace | Delete


@dataclass(frozen=True)
class Page:
    """`continuation` is opaque; None when this is the last page."""

    documents: Sequence[Document]
    continuation: str | None = None


class ResourceStore(Protocol):
    """JSON documents by partition and id, with optimistic concurrency.

    An id is 1 to 255 characters without `/ \\ ? #`, and neither `.` nor `..`; a body has a
    string field `kind`. A document is at most 1 MB of JSON, those of one transaction 2 MB
    together. Whole numbers beyond 2**53 may lose digits.

    With each body its schema is kept (domain/ground/schema.py), as a field `schema` that no
    caller sees or may write. Reading a document of a newer one that is not understood raises
    NewerSchema.
    """

    @abstractmethod
    async def get(self, partition: str, id: str) -> Document:
        """The current document. Raises DocumentNotFound, NewerSchema."""

    @abstractmethod
    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        """Apply 1 to 100 writes to one partition, all or none, and return the documents
        that creates and replaces have written, in order. An id may appear once. The first write
        that fails raises its error and nothing is changed; of racing writers on one ETag
        exactly one wins."""

    @abstractmethod
    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        """Documents of `kind`, in order of (partition, id), whose top-level body fields
        equal `where`. A page is stable under writes: a document present throughout the
        paging is seen exactly once. Raises Invalid for a continuation it never gave, and
        NewerSchema: nobody may go on as if a document were not there.
        Without a partition this crosses partitions; keep it off hot paths."""

    @abstractmethod
    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        """Up to `limit` documents with `due_at` <= `before` (Unix seconds), earliest
        first, across partitions. Those of a newer schema are left to newer processes."""


async def all_documents(
    store: ResourceStore,
    kind: str,
    *,
    partition: str | None = None,
    where: Mapping[str, str | int | bool] | None = None,
) -> AsyncIterator[Document]:
    """All that `query` has, page by page."""
    continuation: str | None = None
    while True:
        page = await store.query(
            kind, partition=partition, where=where, page_size=200, continuation=continuation
        )
        for document in page.documents:
            yield document
        continuation = page.continuation
        if continuation is None:
            return
