"""What goes on while the demo stays up: callers that never stop, a rollout that moves, jobs."""

import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import httpx

from examples.client import CallFailed, Workspace
from examples.digits.files import rows

_CALLERS = 3
_WAVE = 90.0
"""Seconds from one calm to the next."""
_BETWEEN_JOBS = 120.0


class LiveTraffic:
    """Callers of an online endpoint, in threads, by its key, quicker now and slower then. Use as a
    context manager."""

    def __init__(self, workspace: Workspace, endpoint: str) -> None:
        path = f"onlineEndpoints/{endpoint}"
        self._uri = workspace.get(path)["properties"]["scoringUri"]
        self._key = workspace.call("POST", f"{path}/listKeys").json()["primaryKey"]
        self._tls = workspace.tls
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(_CALLERS)]
        self.answered = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx.Client(verify=self._tls, headers=headers, timeout=30) as caller:
            while not self._over.is_set():
                try:
                    caller.post(self._uri, json={"data": [random.choice(rows())]})
                    self.answered += 1
                except httpx.HTTPError:
                    # The host may be stopping, or starting anew.
                    self._over.wait(1)
                calm = 1 + math.sin(2 * math.pi * time.monotonic() / _WAVE)
                self._over.wait(random.uniform(0.05, 0.2) + calm * 0.2)


def begin_rollout(workspace: Workspace, endpoint: str, step: str = "PT1M") -> None:
    """All traffic of blue goes to green, in three steps that are guarded."""
    steps: list[dict[str, Any]] = [
        {"traffic": {"blue": 75, "green": 25}, "duration": step},
        {"traffic": {"blue": 50, "green": 50}, "duration": step},
        {"traffic": {"green": 100}, "duration": step},
    ]
    limits = {"errorRate": 0.05, "p95LatencyMs": 2000, "minimumRequests": 30}
    rollout = {"steps": steps, "limits": limits}
    workspace.mutate("PATCH", f"onlineEndpoints/{endpoint}", {"properties": {"rollout": rollout}})


class Jobs:
    """A job now and then, over data that is registered. Use as a context manager."""

    def __init__(self, workspace: Workspace, endpoint: str, data: str) -> None:
        self._workspace = workspace
        self._uri = workspace.get(f"batchEndpoints/{endpoint}")["properties"]["scoringUri"]
        self._data = data
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._invoke, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _invoke(self) -> None:
        given = {"digits": {"jobInputType": "UriFolder", "uri": self._data}}
        while not self._over.is_set():
            # Where one is refused, the next is invoked all the same.
            with suppress(CallFailed, httpx.HTTPError):
                self._workspace.call(
                    "POST", self._uri, {"properties": {"inputData": given, "miniBatchSize": 1}}
                )
            self._over.wait(_BETWEEN_JOBS)


def until_interrupted(link: Callable[[], str], say: Callable[[str], None]) -> None:
    """Returns at Ctrl-C; each line of stdin has a new link said."""
    try:
        while True:
            input()
            say(link())
    except EOFError:
        pass  # Nobody is at stdin: a signal ends it.
    except KeyboardInterrupt:
        return
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
