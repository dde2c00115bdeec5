"""Which cores an instance may use. See instance_types for what that promises."""

import math
import os
from collections import Counter


class Cores:
    """Hands out the machine's cores, the least used first."""

    def __init__(self) -> None:
        self._users: Counter[int] = Counter()
        affinity = getattr(os, "sched_getaffinity", None)
        self._there: frozenset[int] = frozenset(affinity(0)) if affinity else frozenset()

    def pin(self, pid: int, cpu: float) -> frozenset[int]:
        """Pin a process that has just begun, if that holds it to less than the machine; the
        cores taken, to give back."""
        wanted = max(1, math.ceil(cpu))
        if wanted >= len(self._there):
            return frozenset()
        taken = sorted(self._there, key=lambda core: (self._users[core], core))[:wanted]
        try:
            os.sched_setaffinity(pid, taken)
        except OSError:
            return frozenset()  # it has ended already, or may not be pinned
        self._users.update(taken)
        return frozenset(taken)

    def give_back(self, cores: frozenset[int]) -> None:
        self._users.subtract(cores)
