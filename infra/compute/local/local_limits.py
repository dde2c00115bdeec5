"""What the compute of one machine keeps to."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class LocalLimits:
    """`processes` is the machine's quota, which deployments and jobs share; jobs of different
    kinds that compete for it take turns of `slice_seconds`. `builds` environments are built at a
    time, each within `build_deadline`. So many `attempts` of units are under way, or ended and
    not collected; one that has found no worker in `lease_wait` seconds is left waiting by its
    caller."""

    processes: int = 64
    slice_seconds: float = 10.0
    builds: int = 1
    build_deadline: timedelta = timedelta(minutes=30)
    attempts: int = 1000
    lease_wait: float = 5.0
