"""Instances as processes of the host's own machine."""

import contextlib
import os
import random
import signal
from collections.abc import Mapping
from pathlib import Path

from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet


class Processes(Fleet):
    name = "processes"

    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        return {}

    def instances(self, host: RunningHost, deployment: str) -> set[str]:
        name = deployment.rpartition("/")[2]
        return {str(pid) for pid in _outermost(host.processes(f"--deployment {name}"))}

    def scripts(self, host: RunningHost, deployment: str) -> set[str]:
        return self.instances(host, deployment)

    def workers(self, host: RunningHost) -> set[str]:
        return {str(pid) for pid in host.processes(" work ")}

    def strike(self, host: RunningHost, doing: str, rng: random.Random) -> str | None:
        there = _outermost(host.processes(f" {doing} "))
        if not there:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(there), signal.SIGKILL)
        return "kill"

    def environments(self, host: RunningHost) -> int:
        there = (host.data_dir / "compute" / "environments").iterdir()
        return sum(each.is_dir() for each in there)

    def clear(self, host: RunningHost) -> None:
        """They end with their host."""


def _outermost(processes: list[int]) -> list[int]:
    """One of each instance, which may have others below it."""
    return sorted(pid for pid in processes if _parent_of(pid) not in processes)


def _parent_of(pid: int) -> int:
    """0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
