"""What a request would write, found by the code that writes, which is stopped at the write.

Within `rehearsing` a store checks the first transaction that is about a resource, as it would be
checked if it were written, and raises `Rehearsed` with it instead of writing it: nothing that comes
after a write (messages, news, counts) is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.ground.rehearsal import is_about, is_rehearsed
from domain.ports import Create, Delete, Document, Page, Replace, ResourceStore, Write

CLIENT: Final = "client"
"""Of a document that is made up for a client."""
_BESIDE: Final = frozenset(
    {
        *("identityHolder", "identityStamp", "managedIdentity"),
        *("invocationKey", "outputReservation"),
    }
)
"""Kinds that are written on the way to a resource: of these is said that they are."""


@dataclass(frozen=True)
class Planned:
    """One write, and the document that it would change or delete."""

    before: Document | None
    write: Write


class Rehearsed(BaseException):
    """Caught by whoever rehearses, and by nobody on the way: no error is handled that is none."""

    def __init__(self, planned: Sequence[Planned]) -> None:
        super().__init__()
        self.planned = planned


def rehearse_client(name: str, before: str | None, after: str | None) -> None:
    """Of a client's role, for whoever keeps clients elsewhere than in the store: to be asked when
    all has been checked and nothing is written. None: there is none."""
    if not is_rehearsed():
        return
    was, will = (
        None if each is None else {"kind": CLIENT, "role": each} for each in (before, after)
    )
    document = None if was is None else Document("clients", name, was, "")
    write: Write = Delete(name)
    if will is not None:
        write = Create(name, will) if was is None else Replace(name, will, None)
    raise Rehearsed([Planned(document, write)])


class RehearsingStore(ResourceStore):
    """`store`, but for what is rehearsed."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def get(self, partition: str, id: str) -> Document:
        return await self._store.get(partition, id)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        if not is_rehearsed():
            return await self._store.transact(partition, writes)
        planned = [Planned(await self._checked(partition, each), each) for each in writes]
        if all(_is_beside(each) for each in writes):
            made = [each for each in writes if isinstance(each, Create | Replace)]
            return [Document(partition, each.id, each.body, "rehearsed") for each in made]
        raise Rehearsed(planned)

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
        return await self._store.query(
            kind,
            partition=partition,
            where=where,
            page_size=page_size,
            continuation=continuation,
            descending=descending,
        )

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        return await self._store.due(before, limit=limit)

    async def _checked(self, partition: str, write: Write) -> Document | None:
        """What is there. Raises as the write would."""
        try:
            found = await self._store.get(partition, write.id)
        except DocumentNotFound:
            if isinstance(write, Create):
                return None
            raise
        if isinstance(write, Create):
            raise DocumentExists(f"{write.id} is there already.")
        if write.etag is not None and write.etag not in (found.etag, "rehearsed"):
            raise StaleETag(f"{write.id} has changed.")
        return found


def _is_beside(write: Write) -> bool:
    if not isinstance(write, Create | Replace):
        return False
    kind = write.body.get("kind")
    return kind in _BESIDE and not is_about(str(kind))
