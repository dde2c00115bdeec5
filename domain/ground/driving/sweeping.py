"""The sweep: whatever a crash left unfinished is taken up again.

A document with unfinished work carries `due_at`. Its owner pushes it forward while the work
shows signs of life, so that only abandoned work falls due.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

from domain.errors import DocumentNotFound, NewerSchema, StaleETag
from domain.ports import Clock, Document, ResourceStore

Resume = Callable[[Document], Awaitable[None]]

_log = logging.getLogger("ml_endpoints.sweep")


class Sweeping:
    """`owners` says who resumes documents of which kind."""

    def __init__(self, store: ResourceStore, clock: Clock, owners: Mapping[str, Resume]) -> None:
        self._store = store
        self._clock = clock
        self._owners = owners

    async def sweep(self, *, limit: int = 100) -> int:
        """Resume up to `limit` documents that are due, earliest first, and say how many.
        One that cannot be resumed does not hold up the others: it stays due."""
        resumed = 0
        for document in await self._store.due(self._clock.now().timestamp(), limit=limit):
            owner = self._owners.get(document.body["kind"])
            if owner is None:
                _log.error("Nobody resumes documents of kind %r", document.body["kind"])
                continue
            try:
                await owner(document)
                resumed += 1
            except (StaleETag, DocumentNotFound):
                # Another host, or the work itself, moved first.
                continue
            except NewerSchema as newer:
                _log.warning("It is left to newer processes: %s", newer.message)
            except Exception:  # one bad document must not stop the sweep of the rest
                _log.exception(
                    "Could not resume %s of %s",
                    document.id,
                    document.partition,
                    extra={"action": "sweep_failed"},
                )
        return resumed
