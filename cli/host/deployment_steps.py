"""What the host is at with a deployment that is waited for."""

import re
import time

from cli.failures import CommandFailed
from cli.host.arm import Arm

_DEPLOYMENT = re.compile(r"(online|batch)Endpoints/[^/]+/deployments/[^/]+", re.IGNORECASE)
_LOGS = ("StorageInitializer", "InferenceServer")
"""What builds the environment and fetches files, then what the instances print."""
_ENDED = ("Succeeded", "Failed", "Canceled")
_EVERY = 1.0
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\S+ \S+ - ")
_LONGEST = 70


class DeploymentSteps:
    """The last line of its logs, beside its status; of what is no online deployment, or whose log
    the caller may not read, the status alone."""

    def __init__(self, arm: Arm, resource: str) -> None:
        self._arm = arm
        match = _DEPLOYMENT.fullmatch(resource.strip("/"))
        self._logs = f"{resource}/getLogs" if match and match[1].lower() == "online" else ""
        self._before: dict[str, str] = {}
        self._line = ""
        self._asked = 0.0

    def beside(self, status: str) -> str:
        """The status, with what came into the logs last since the first look."""
        if status in _ENDED:
            return status
        now = time.monotonic()
        if self._logs and now - self._asked >= _EVERY:
            self._asked = now
            self._look()
        return f"{status}: {self._line}" if self._line else status

    def _look(self) -> None:
        for log in _LOGS:
            try:
                told = self._arm.post(self._logs, {"containerType": log, "tail": 1})
            except CommandFailed:
                self._logs = ""  # It is gone, or not to be read: no reason to wait no longer.
                return
            text = told if isinstance(told, str) else str(told["content"])
            last = text.strip().rpartition("\n")[2]
            if last != self._before.setdefault(log, last):
                self._line = _STAMP.sub("", last)[:_LONGEST]
