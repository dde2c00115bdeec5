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
        return {str(pid) for pid in host.processes(f"--deployment {name}")}

    def clear(self, host: RunningHost) -> None:
        """They end with their host."""
