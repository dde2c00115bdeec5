"""What an `instance_type` means on one machine.

A row gives the CPU cores and memory that Azure gives the size of that name. Here they are
held like this:

- memory: the private and shared memory of the instance's processes is read twice a second;
  over the row's figure the instance is killed, and says so with its peak; it is restarted if it
  had been ready, and fails if not. A faster spike can pass unseen. Mapped files do not count.
- cpu: with fewer cores than the machine has, the instance is pinned to that many (Linux);
  numerical libraries are told that number of threads unless the deployment sets another. With
  as many or more, nothing holds it, and the instance's log notes it: a row may ask for more
  than the machine has.
- disk, network and GPU: not held.

How many fit on the machine together is said by infra/compute/ground/room.py. `local` is
the whole machine: all of it that the host's control groups leave.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.compute.ground.control_groups import Held, held

LOCAL = "local"
_HAS_GPU = re.compile(r"standard_n[a-z]", re.IGNORECASE)
GIB = 1024**3


@dataclass(frozen=True)
class InstanceType:
    """`cpu` in cores, `memory` in bytes."""

    name: str
    cpu: float
    memory: int


def machine() -> InstanceType:
    """This machine as an instance type."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = _held().memory
    return InstanceType(LOCAL, float(available_cores()), min(memory, most or memory))


def available_cores() -> int:
    """Cores this process may use; a part of one counts as one."""
    there = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    return min(there, math.ceil(_held().cores or there))


@cache
def _held() -> Held:
    return held()


_SIZES: Mapping[str, tuple[float, float]] = {
    "Standard_DS1_v2": (1, 3.5),
    "Standard_DS2_v2": (2, 7),
    "Standard_DS3_v2": (4, 14),
    "Standard_DS4_v2": (8, 28),
    "Standard_DS5_v2": (16, 56),
    "Standard_F2s_v2": (2, 4),
    "Standard_F4s_v2": (4, 8),
    "Standard_F8s_v2": (8, 16),
    "Standard_F16s_v2": (16, 32),
    "Standard_F32s_v2": (32, 64),
    "Standard_F48s_v2": (48, 96),
    "Standard_F64s_v2": (64, 128),
    "Standard_F72s_v2": (72, 144),
    "Standard_E2s_v3": (2, 16),
    "Standard_E4s_v3": (4, 32),
    "Standard_E8s_v3": (8, 64),
    "Standard_E16s_v3": (16, 128),
    "Standard_D2s_v3": (2, 8),
    "Standard_D4s_v3": (4, 16),
    "Standard_D8s_v3": (8, 32),
    "Standard_D16s_v3": (16, 64),
    "Standard_D2a_v4": (2, 8),
    "Standard_D4a_v4": (4, 16),
    "Standard_D8a_v4": (8, 32),
    "Standard_D16a_v4": (16, 64),
    "Standard_D2as_v4": (2, 8),
    "Standard_D4as_v4": (4, 16),
    "Standard_D8as_v4": (8, 32),
}

INSTANCE_TYPES: Mapping[str, InstanceType] = {
    LOCAL: machine(),
    **{name: InstanceType(name, cpu, int(gib * GIB)) for name, (cpu, gib) in _SIZES.items()},
}


def unknown(name: str) -> str:
    """What is said of a name that has no row."""
    known = ", ".join(INSTANCE_TYPES)
    if _HAS_GPU.match(name):
        return f"Instance type {name!r} has a GPU, and there is none here; there are {known}."
    return f"There is no instance type {name!r} here; there are {known}."


def find(name: str) -> InstanceType | None:
    """The row of that name, whatever its case."""
    wanted = name.lower()
    return next((row for key, row in INSTANCE_TYPES.items() if key.lower() == wanted), None)
