"""Instances as processes of the host's own machine."""

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
        found = host.processes(f"--deployment {name}")
        # An instance in a cell is one process below another.
        return {str(pid) for pid in found if _parent_of(pid) not in found}

    def workers(self, host: RunningHost) -> set[str]:
        return {str(pid) for pid in host.processes(" work ")}

    def environments(self, host: RunningHost) -> int:
        there = (host.data_dir / "compute" / "environments").iterdir()
        return sum(each.is_dir() for each in there)

    def clear(self, host: RunningHost) -> None:
        """They end with their host."""


def _parent_of(pid: int) -> int:
    """0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
