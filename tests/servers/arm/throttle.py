"""Azure Resource Manager's limits for one principal in one subscription."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.servers.arm.records import Refused


@dataclass
class Throttle:
    """Buckets of calls: how many at once, and how many more each second."""

    now: Callable[[], float] = time.monotonic
    reads: tuple[float, float] = (250.0, 25.0)
    writes: tuple[float, float] = (200.0, 10.0)
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, method: str) -> None:
        """Raises Refused."""
        kind = "reads" if method == "GET" else "writes"
        most, refill = self.reads if kind == "reads" else self.writes
        left, at = self._left.get(kind, (most, self.now()))
        left = min(most, left + (self.now() - at) * refill)
        if left < 1:
            self._left[kind] = left, self.now()
            wait = math.ceil((1 - left) / refill)
            told = f"Number of '{kind}' requests for subscription exceeded the limit."
            raise Refused(429, "SubscriptionRequestsThrottled", told, retry_after=wait)
        self._left[kind] = left - 1, self.now()
