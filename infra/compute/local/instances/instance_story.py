"""What the host's log tells of one instance: each of its lives, and how it ended."""

import logging
import time
from collections.abc import Mapping
from typing import Final

_log = logging.getLogger("ml_endpoints.instances")

_AGAIN: Final = "and is started again in %g s"


class InstanceStory:
    """`about` says whose it is."""

    def __init__(self, id: str, about: Mapping[str, object]) -> None:
        self._about = {**about, "instance": id}
        self._id = id
        self._lives = 0
        self._ready = False
        self._began = 0.0

    def started(self, process: int) -> None:
        self._lives += 1
        self._ready = False
        self._began = time.monotonic()
        about = {"action": "instance_started", **self._about, "pid": process}
        if self._lives > 1:
            about["action"] = "instance_restarted"
            about["life"] = self._lives
        _log.info("Instance %s is started as process %d", self._id, process, extra=about)

    def answers(self, ready: bool) -> None:
        """Its readiness probe says so."""
        if ready is self._ready:
            return
        self._ready = ready
        if not ready:
            about = {"action": "instance_unready", **self._about}
            _log.warning("Instance %s fails its readiness probe", self._id, extra=about)
            return
        seconds = round(time.monotonic() - self._began, 3)
        about = {"action": "instance_ready", **self._about, "seconds": seconds}
        _log.info("Instance %s is ready after %.3f s", self._id, seconds, extra=about)

    def died(self, reason: str, again_after: float | None) -> None:
        """It is started again after so many seconds; None: not any more."""
        then = "and is not started again" if again_after is None else _AGAIN % again_after
        about = {"action": "instance_died", **self._about, "reason": reason}
        if again_after is None:
            about["action"] = "instance_given_up"
        _log.warning("Instance %s has died %s: %s", self._id, then, reason, extra=about)

    def stopped(self) -> None:
        about = {"action": "instance_stopped", **self._about}
        _log.info("Instance %s is stopped", self._id, extra=about)
