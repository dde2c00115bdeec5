"""Whether a host can do what it is there for."""

import asyncio
import logging
from datetime import datetime, timedelta

from domain.errors import DocumentNotFound, DomainError
from domain.ports import Clock, ResourceStore

KEPT = timedelta(seconds=5)
"""How long an answer is given again: who asks is anybody, and a look costs something."""
LIMIT = 2.0
"""Seconds that the store has for it."""
_PROBE = "readiness"

_log = logging.getLogger(__name__)


class Readiness:
    """Of this process: it has to reach the store. One event loop owns it."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looked_at: datetime | None = None
        self._held = False
        self._looking = asyncio.Lock()

    async def holds(self) -> bool:
        """As it was found within the last five seconds, by one look for all who ask."""
        async with self._looking:
            now = self._clock.now()
            if self._looked_at is None or now - self._looked_at >= KEPT:
                self._held = await self._reaches_the_store()
                self._looked_at = now
            return self._held

    async def _reaches_the_store(self) -> bool:
        try:
            async with asyncio.timeout(LIMIT):
                await self._store.get(_PROBE, _PROBE)
        except DocumentNotFound:
            return True
        except (DomainError, TimeoutError) as error:
            _log.warning("This host is not ready: the store cannot be read: %s", error)
            return False
        return True
