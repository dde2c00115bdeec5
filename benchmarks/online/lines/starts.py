"""A deployment's first answer: from its PUT where the environment is built, and from zero
instances."""

import http.client
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.online import ours
from benchmarks.online.lines.line import Line, at_most
from benchmarks.online.servers import first_answer
from tests.e2e import serving
from tests.e2e.running_host import RunningHost, until

_TIMES = 5
_IDLE = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "2"}
_SLEEPS: dict[str, Any] = {"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 0}}


def measure(folder: Path) -> list[Line]:
    with RunningHost(folder / "starts", "--port", "0", "--http", environment=_IDLE) as host:
        ours.deployed(host, **_SLEEPS)
        put = [_put(host, f"new{number}") for number in range(_TIMES)]
        wake = [_wake(host) for _ in range(_TIMES)]
    return [
        at_most("from PUT to the first 200, environment built", _told(put), median(put), 3, "s"),
        at_most("from zero to the first 200", _told(wake), median(wake), 2, "s"),
    ]


def _put(host: RunningHost, name: str) -> float:
    code = ours.code(host)
    asked = ours.question(host, **{"azureml-model-deployment": name})
    path = f"onlineEndpoints/{ours.ENDPOINT}/deployments/{name}"
    body = serving.deployment_body(host, code, requestSettings=ours.LIMITS)
    started = time.perf_counter()
    host.workspace.call("PUT", path, body)
    first_answer(asked)
    taken = time.perf_counter() - started
    sys.stderr.write(f"  from PUT to 200: {taken:.2f} s\n")
    until(lambda: host.workspace.get(path)["properties"]["provisioningState"] == "Succeeded")
    host.workspace.mutate("DELETE", path)
    return taken


def _wake(host: RunningHost) -> float:
    """Asleep, then one request, from its start to its answer."""
    path = f"onlineEndpoints/{ours.ENDPOINT}/deployments/blue"

    def asleep() -> bool:
        shown = host.workspace.get(path)["properties"]["scaleStatus"]["instances"]
        return shown == 0 and not host.processes(" serve ")

    until(asleep, within=90, what="a deployment asleep")
    asked = ours.question(host)
    started = time.perf_counter()
    try:
        status, body = asked.ask()
    except (OSError, http.client.HTTPException) as error:
        raise AssertionError(f"the request that wakes failed: {error!r}") from error
    taken = time.perf_counter() - started
    assert asked.is_right(status, body), (status, body)
    sys.stderr.write(f"  from zero to 200: {taken:.2f} s\n")
    return taken


def _told(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s (of {', '.join(f'{each:.2f}' for each in seconds)})"
