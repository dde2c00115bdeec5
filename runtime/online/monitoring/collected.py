"""What the script of this process has collected, until a gateway comes for it."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

VARIABLE = "ML_ENDPOINTS_DATA_COLLECTOR"
"""Which collections are enabled, with the share of records that each keeps, as JSON."""

_MOST = 16 << 20
_AT_ONCE = 4 << 20
_OVERHEAD = 200


class Collected:
    """Any thread may add to it, and none waits for that. It holds 16 MiB: more is lost, and
    counted."""

    def __init__(self, rates: Mapping[str, float]) -> None:
        self._rates = {name.lower(): (name, rate) for name, rate in rates.items()}
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._lost: Counter[str] = Counter()
        self.is_fetched = False
        """Whether anybody comes for it at all."""

    @property
    def is_enabled(self) -> bool:
        return bool(self._rates)

    @property
    def rates(self) -> dict[str, float]:
        return dict(self._rates.values())

    @property
    def is_empty(self) -> bool:
        return not self._lines and not self._lost

    def has(self, collection: str) -> bool:
        return collection.lower() in self._rates

    def samples(self, collection: str, correlation: str) -> bool:
        """Of one request all collections are kept, or none, where their rates are one."""
        rate = self._rates[collection.lower()][1]
        return rate >= 1 or zlib.crc32(correlation.encode("utf-8", "replace")) < rate * 2**32

    def put(self, collection: str, data: str, **told: Any) -> bool:
        """`data` as text of the content type that is told, JSON where none is. False: there is
        no room."""
        name = self._rates[collection.lower()][0]
        record = {"collection": name, "time": time.time(), "data": data, **told}
        line = json.dumps(record).encode() + b"\n"
        with self._lock:
            if self._size + len(line) + _OVERHEAD > _MOST:
                self._lost[name] += 1
                return False
            self._lines.append(line)
            self._size += len(line) + _OVERHEAD
        return True

    def take(self) -> bytes:
        """A line for each record, some 4 MiB of them, and one for each collection that has lost
        some. They are the taker's now."""
        self.is_fetched = True
        taken, size = [], 0
        with self._lock:
            lost, self._lost = self._lost, Counter()
            while self._lines and size < _AT_ONCE:
                line = self._lines.popleft()
                taken.append(line)
                size += len(line)
                self._size -= len(line) + _OVERHEAD
        told = [{"collection": name, "lost": number} for name, number in lost.items()]
        return b"".join([json.dumps(each).encode() + b"\n" for each in told] + taken)


_current: Collected | None = None


def current() -> Collected:
    """This process's."""
    global _current  # noqa: PLW0603 - one process has one
    if _current is None:
        _current = Collected(json.loads(os.environ.get(VARIABLE, "{}")))
    return _current
