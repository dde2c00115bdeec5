"""How often Azure Resource Manager may be asked: as its own limits are, held on this side."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Final

SHARE: Final = 0.8
"""Of what a subscription gives one principal: others ask as the same one, `az` among them."""


class Kind(StrEnum):
    READ = "reads"
    WRITE = "writes"
    """Deletions and actions, too."""


ALLOWED: Final = {Kind.READ: (250.0, 25.0), Kind.WRITE: (200.0, 10.0)}
"""Calls that may come at once, and how many more each second."""


class _Bucket:
    def __init__(self, most: float, refill: float) -> None:
        self.most = most
        self.refill = refill
        self.left = most
        self.at = 0.0
        self.closed_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next call may go, which is taken then: nobody comes in between."""
        self.left = min(self.most, self.left + max(now - self.at, 0.0) * self.refill)
        self.at = max(self.at, now)
        self.left -= 1.0
        until_refilled = max(-self.left, 0.0) / self.refill
        return max(until_refilled, self.closed_until - now, 0.0)


class ArmBudget:
    """For all calls of one host. What comes early waits, in its turn."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets = {
            kind: _Bucket(most * SHARE, refill * SHARE) for kind, (most, refill) in ALLOWED.items()
        }

    async def take(self, kind: Kind) -> None:
        wait = self.wait(kind)
        if wait > 0:
            await asyncio.sleep(wait)

    def wait(self, kind: Kind) -> float:
        """Seconds that a call has to wait which is counted with this."""
        return self._buckets[kind].wait(self._now())

    def hold(self, kind: Kind, seconds: float) -> None:
        """It was told to wait: nobody asks before."""
        bucket = self._buckets[kind]
        bucket.closed_until = max(bucket.closed_until, self._now() + seconds)

    def held(self, kind: Kind) -> float:
        """Seconds for which it is not to be asked."""
        return max(self._buckets[kind].closed_until - self._now(), 0.0)
