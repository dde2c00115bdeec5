"""What the compute of one machine keeps to."""

import math
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class LocalLimits:
    """`processes` is the machine's quota, which deployments and jobs share, as they do `memory`
    (bytes) and the cores of the machine times `core_overcommit`; jobs of different kinds that
    compete for it take turns of `slice_seconds`. `memory_overcommit` says which part of its
    instance type's memory an instance counts for (infra/compute/ground/room.py). `builds`
    environments are built at a time, each within `build_deadline`. So many `attempts` of units are
    under way, or ended and not collected; one that has found no worker in `lease_wait` seconds is
    left waiting by its caller. Of what nothing uses any more, so many `kept_environments` and
    twice as many fetched models and codes are kept, for `kept_age` at most. The temporary files of
    a script's process take at most `script_files` bytes, and what a job's scripts write to its
    output folder `script_output`, where that has a limit."""

    processes: int = 64
    memory: float = math.inf
    memory_overcommit: float = 1.0
    core_overcommit: float = math.inf
    slice_seconds: float = 10.0
    builds: int = 1
    build_deadline: timedelta = timedelta(minutes=30)
    attempts: int = 1000
    lease_wait: float = 5.0
    script_files: int = 10 * 2**30
    script_output: int | None = None
    kept_environments: int = 8
    kept_age: timedelta = timedelta(days=30)
