"""What models may have of this machine together, and what each counts for (ADR 22).

An instance is held to its type's memory, and seldom uses it: what counts is a part of it, by the
setting of overcommitting, or what the instance has been measured to use if that is more. A type
that is larger than the machine counts as the machine. Where nobody named a type, what is measured
counts, and a little for those of which nothing has been measured yet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.ports import InstanceSize
from infra.compute.ground.instance_types import InstanceType, machine
from infra.compute.ground.local_limits import LocalLimits

UNNAMED: Final = 256 * 2**20
"""Bytes that a process of no named type counts for before it has been measured."""

_GIB: Final = 2**30


@dataclass(frozen=True)
class Portion:
    """Of the machine. `memory` in bytes."""

    processes: float = 0
    memory: float = 0
    cores: float = 0

    def __add__(self, other: "Portion") -> "Portion":
        return Portion(
            self.processes + other.processes, self.memory + other.memory, self.cores + other.cores
        )

    def __sub__(self, other: "Portion") -> "Portion":
        return self + other * -1

    def __mul__(self, count: float) -> "Portion":
        # Nothing of what has no end is nothing.
        return Portion(*(each * count if each and count else 0 for each in self._parts))

    def holds(self, other: "Portion") -> bool:
        """Whether `other` is no more than this, in any respect."""
        pairs = zip(self._parts, other._parts, strict=True)
        return all(part <= have + 1e-6 for have, part in pairs)

    def times(self, each: "Portion") -> int:
        """How many of `each` there are in this."""
        pairs = zip(self._parts, each._parts, strict=True)
        counts = [have / part for have, part in pairs if part]
        return max(0, math.floor(min([*counts, 1e9]) + 1e-6))

    @property
    def _parts(self) -> tuple[float, float, float]:
        return self.processes, self.memory, self.cores


class Room:
    """By `limits`, of the machine `here`."""

    def __init__(self, limits: LocalLimits, here: InstanceType) -> None:
        self._limits = limits
        self._cores = here.cpu
        self._memory = min(here.memory, limits.memory)
        self.whole = Portion(limits.processes, limits.memory, here.cpu * limits.core_overcommit)

    def of(
        self, size: InstanceSize, processes: int, *, workers: int = 1, seen: Sequence[int] = ()
    ) -> Portion:
        """What so many processes count for, `workers` of which are an instance of `size`. Those
        that are there were `seen` to use so many bytes, and the next will not use less."""
        least = self._memory_of(size) / workers
        there = sorted(seen, reverse=True)[:processes]
        more = (processes - len(there)) * max([least, *seen])
        memory = sum(max(least, each) for each in there) + more
        return Portion(processes, memory, self._cores_of(size) / workers * processes)

    def refusal(
        self, size: InstanceSize, asked: Portion, taken: Portion, *, workers: int = 1
    ) -> str | None:
        """Why `asked`, which is of `size`, does not go with what is `taken`, in numbers; None if
        it does."""
        if self.whole.holds(taken + asked):
            return None
        instances = asked.processes / workers
        each = asked * (1 / instances) if instances else Portion()
        told = [self._processes_lacking(asked, taken)]
        told.append(self._memory_lacking(size, asked, taken, instances))
        told.append(self._cores_lacking(size, asked, taken, instances))
        room = (self.whole - taken).times(each)
        return " ".join([*(fault for fault in told if fault), f"There is room for {room}."])

    def overcommitted(self, taken: Portion) -> str | None:
        """What is to be said where more cores are promised than there are."""
        if taken.cores <= self._cores:
            return None
        return (
            f"{taken.cores:g} cores are promised to models, and this machine has {self._cores:g}: "
            "they share them, and are slower when all are busy."
        )

    # -- inside

    def _memory_of(self, size: InstanceSize) -> float:
        if size.whole:
            return min(UNNAMED, self._memory / self._limits.memory_overcommit)
        return min(size.memory, self._memory) / self._limits.memory_overcommit

    def _cores_of(self, size: InstanceSize) -> float:
        return 1.0 if size.whole else min(size.cpu, self._cores)

    def _processes_lacking(self, asked: Portion, taken: Portion) -> str | None:
        if taken.processes + asked.processes <= self.whole.processes:
            return None
        return (
            f"This machine runs at most {self.whole.processes:g} instances; {taken.processes:g} "
            f"others are wanted already, and {asked.processes:g} were asked for."
        )

    def _memory_lacking(
        self, size: InstanceSize, asked: Portion, taken: Portion, instances: float
    ) -> str | None:
        if taken.memory + asked.memory <= self.whole.memory:
            return None
        each = asked.memory / instances
        if each > self._memory_of(size):
            why = "which is what they have been seen to use"
        elif size.whole:
            why = "until they are measured"
        else:
            held = f", of which this machine has {_gib(self._memory)}"
            part = f"1/{self._limits.memory_overcommit:g} of {_gib(size.memory)}"
            why = part + (held if size.memory > self._memory else "")
        return (
            f"{instances:g} x {_gib(each)} of memory ({why}) are {_gib(asked.memory)}, others "
            f"count for {_gib(taken.memory)}, and models may have {_gib(self.whole.memory)} here "
            "(ML_ENDPOINTS_MACHINE_MEMORY, ML_ENDPOINTS_MEMORY_OVERCOMMIT)."
        )

    def _cores_lacking(
        self, size: InstanceSize, asked: Portion, taken: Portion, instances: float
    ) -> str | None:
        if taken.cores + asked.cores <= self.whole.cores:
            return None
        has = f" of which this machine has {self._cores:g}" if size.cpu > self._cores else ""
        why = "" if size.whole else f" ({size.cpu:g} cores{',' if has else ''}{has})"
        return (
            f"{instances:g} x {asked.cores / instances:g} cores{why} are {asked.cores:g}, others "
            f"are promised {taken.cores:g}, and {self.whole.cores:g} may be promised here "
            f"({self._cores:g} x ML_ENDPOINTS_CORE_OVERCOMMIT)."
        )


def default_memory() -> int:
    """Bytes that models may have where nobody says: the machine's, but for an eighth, and at most
    1 GiB, that is the host's and the system's."""
    memory = machine().memory
    return memory - min(memory // 8, _GIB)


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
