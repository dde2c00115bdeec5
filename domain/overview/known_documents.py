"""Documents of a kind, understood once for each ETag: what has not changed costs little to look
at again."""

from collections.abc import Callable
from typing import Generic, TypeVar

from domain.ports import Document, ResourceStore

R = TypeVar("R")

_PAGE = 1000


class KnownDocuments(Generic[R]):
    def __init__(self, store: ResourceStore, kind: str, read: Callable[[Document], R]) -> None:
        self._store = store
        self._kind = kind
        self._read = read
        self._known: dict[tuple[str, str], tuple[str, R]] = {}

    async def all(self) -> list[R]:
        """As they are now, in order of partition and id."""
        known: dict[tuple[str, str], tuple[str, R]] = {}
        continuation: str | None = None
        while True:
            page = await self._store.query(self._kind, page_size=_PAGE, continuation=continuation)
            for document in page.documents:
                place = document.partition, document.id
                before = self._known.get(place)
                if before is None or before[0] != document.etag:
                    before = document.etag, self._read(document)
                known[place] = before
            continuation = page.continuation
            if continuation is None:
                break
        # What is gone is forgotten with it.
        self._known = known
        return [value for _, value in known.values()]
