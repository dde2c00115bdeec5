"""A user of its own for each owner of processes."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from threading import Lock


class Users:
    """Those of `ids`, for one installation, which `salt` tells from others on this machine. An
    owner has the same one again where that is free, also after a restart."""

    def __init__(self, ids: Sequence[int], salt: str) -> None:
        self._ids = ids
        self._salt = salt
        self._lock = Lock()
        self._by_owner: dict[str, int] = {}
        self._held: Counter[str] = Counter()

    def take(self, owner: str) -> int:
        """The owner's, and nobody else's until it is given back as often; 0 where there are
        none."""
        if not self._ids:
            return 0
        with self._lock:
            self._held[owner] += 1
            if owner not in self._by_owner:
                self._by_owner[owner] = self._free(owner)
            return self._by_owner[owner]

    def give_back(self, owner: str) -> None:
        with self._lock:
            self._held[owner] -= 1
            if self._held[owner] <= 0:
                del self._held[owner]
                self._by_owner.pop(owner, None)

    def _free(self, owner: str) -> int:
        digest = hashlib.sha256(f"{self._salt}\0{owner}".encode()).digest()
        start = int.from_bytes(digest[:4])
        taken = set(self._by_owner.values())
        steps = (self._ids[(start + step) % len(self._ids)] for step in itertools.count())
        return next(each for each in steps if each not in taken)
