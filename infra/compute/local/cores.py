"""Which cores an instance may use. See instance_types for what that promises."""

import contextlib
import math
import os
from collections import Counter


class Cores:
    """Hands out the machine's cores, the least used first."""

    def __init__(self) -> None:
        self._users: Counter[int] = Counter()
        affinity = getattr(os, "sched_getaffinity", None)
        self._there: frozenset[int] = frozenset(affinity(0)) if affinity else frozenset()

    def take(self, cpu: float) -> frozenset[int]:
        """For a process, to be given back; none where it may have all of the machine's."""
        wanted = max(1, math.ceil(cpu))
        if wanted >= len(self._there):
            return frozenset()
        taken = sorted(self._there, key=lambda core: (self._users[core], core))[:wanted]
        self._users.update(taken)
        return frozenset(taken)

    def pin(self, pid: int, cores: frozenset[int]) -> None:
        """Hold a process that has just begun to its cores."""
        if cores:
            with contextlib.suppress(OSError):  # it has ended already, or may not be pinned
                os.sched_setaffinity(pid, cores)

    def give_back(self, cores: frozenset[int]) -> None:
        self._users.subtract(cores)
