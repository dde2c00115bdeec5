"""What an instance type of Azure ML means in Container Apps: a workload profile, cores and memory.

| Azure ML | profile | cores, GiB |
|---|---|---|
| F2s_v2, F4s_v2 | Consumption | 2, 4; 4, 8: as they are |
| DS1_v2 (1, 3.5), DS2_v2 (2, 7), D2* (2, 8) | Consumption | 1.75, 3.5; 3.5, 7; 4, 8 |
| DS3_v2 (4, 14), D4* (4, 16) | D8 | as they are: a D4 node has less than 4 cores free |
| DS4_v2 (8, 28), D8* (8, 32), F8s_v2 (8, 16) | D16 | as they are |
| DS5_v2 (16, 56), D16* (16, 64), F16s_v2 (16, 32) | D32 | as they are |
| E2s_v3 (2, 16) | E4 | as it is |
| E4s_v3 (4, 32) | E8 | as it is |
| E8s_v3 (8, 64) | E16 | as it is |
| E16s_v3 (16, 128) | E32 | as it is |
| NC4as_T4_v3 (4, 28, T4) | Consumption-GPU-NC8as-T4 | 8, 56: the profile's only size |
| NC24ads_A100_v4 (24, 220, A100) | Consumption-GPU-NC24-A100 | 24, 220 |

Larger ones are refused by name: no profile has so much free on one node.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.ports import InstanceSize
from infra.compute.ground.instance_types import GIB, INSTANCE_TYPES, LOCAL

CONSUMPTION: Final = "Consumption"
_STEP: Final = 0.25
_A_CORE: Final = 2
"""GiB of memory for each core by consumption."""
_MOST: Final = 4.0
"""Cores of an app by consumption."""
_DEDICATED: Final[Mapping[tuple[float, float], str]] = {
    (2, 16): "E4",
    (4, 14): "D8",
    (4, 16): "D8",
    (4, 32): "E8",
    (8, 16): "D16",
    (8, 28): "D16",
    (8, 32): "D16",
    (8, 64): "E16",
    (16, 32): "D32",
    (16, 56): "D32",
    (16, 64): "D32",
    (16, 128): "E32",
}
"""By the cores and GiB of an Azure ML type."""
_GPU: Final[Mapping[str, tuple[float, float, str, float, float]]] = {
    "Standard_NC4as_T4_v3": (4, 28, "Consumption-GPU-NC8as-T4", 8, 56),
    "Standard_NC24ads_A100_v4": (24, 220, "Consumption-GPU-NC24-A100", 24, 220),
}
"""Cores and GiB of the type, and of what it is here."""
_USUAL: Final = InstanceSize(2, 4 * GIB)
"""Where nobody names a type."""


@dataclass(frozen=True)
class AppSize:
    """`profile` is a kind of workload profile; `cpu` in cores, `memory` in GiB."""

    profile: str
    cpu: float
    memory: float


def size_of(size: InstanceSize) -> AppSize | None:
    """None where no profile has so much."""
    gib = size.memory / GIB
    for cpu, memory, profile, cores, has in _GPU.values():
        if (size.cpu, gib) == (cpu, memory):
            return AppSize(profile, cores, has)
    dedicated = _DEDICATED.get((size.cpu, gib))
    if dedicated is not None:
        return AppSize(dedicated, size.cpu, gib)
    cores = max(size.cpu, gib / _A_CORE, _STEP)
    cores = math.ceil(cores / _STEP) * _STEP
    return AppSize(CONSUMPTION, cores, cores * _A_CORE) if cores <= _MOST else None


def _sizes() -> Mapping[str, InstanceSize]:
    told = {
        name: InstanceSize(row.cpu, row.memory)
        for name, row in INSTANCE_TYPES.items()
        if name != LOCAL
    }
    told |= {name: InstanceSize(row[0], int(row[1] * GIB)) for name, row in _GPU.items()}
    fitting = {name: size for name, size in told.items() if size_of(size) is not None}
    return {LOCAL: _USUAL, **fitting}


SIZES: Final = _sizes()
"""By every instance type that there is an app for; `local` is where nobody names one."""
TOO_LARGE: Final = tuple(name for name in INSTANCE_TYPES if name not in SIZES)
"""Azure ML's types that no profile has room for."""
