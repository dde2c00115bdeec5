"""A deployment's first answer: from its PUT where the environment is built, and from zero
instances. Beside it the processor time that the model process had used by then, nearly all of it
imports: on a machine shared with other work that is what can be compared."""

import http.client
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.online import ours
from benchmarks.online.servers import first_answer
from benchmarks.reach.line import Line, at_most
from infra.compute.local.processes.process_groups import cpu_seconds
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

_TIMES = 5
_IDLE = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "2"}
_SLEEPS: dict[str, Any] = {"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 0}}


def measure(folder: Path) -> list[Line]:
    with RunningHost(folder / "starts", "--port", "0", "--http", environment=_IDLE) as host:
        ours.deployed(host, **_SLEEPS)
        put = [_put(host, f"new{number}") for number in range(_TIMES)]
        wake = [_wake(host) for _ in range(_TIMES)]
    return [
        _line("from PUT to the first 200, environment built", put, 3),
        _line("from zero to the first 200", wake, 2),
    ]


@dataclass(frozen=True)
class _Start:
    """In seconds: from the request to the answer, and the model process's own time."""

    taken: float
    used: float


def _put(host: RunningHost, name: str) -> _Start:
    code = ours.code(host)
    asked = ours.question(host, **{"azureml-model-deployment": name})
    path = f"onlineEndpoints/{ours.ENDPOINT}/deployments/{name}"
    body = serving.deployment_body(host, code, requestSettings=ours.LIMITS)
    before = set(host.processes(" serve "))
    started = time.perf_counter()
    host.workspace.call("PUT", path, body)
    first_answer(asked)
    start = _Start(time.perf_counter() - started, _used(host, before))
    sys.stderr.write(f"  from PUT to 200: {start}\n")
    until(lambda: host.workspace.get(path)["properties"]["provisioningState"] == "Succeeded")
    host.workspace.mutate("DELETE", path)
    return start


def _wake(host: RunningHost) -> _Start:
    """Asleep, then one request, from its start to its answer."""
    path = f"onlineEndpoints/{ours.ENDPOINT}/deployments/blue"

    def asleep() -> bool:
        shown = host.workspace.get(path)["properties"]["scaleStatus"]["instances"]
        return shown == 0 and not host.processes(" serve ")

    until(asleep, patience=90, what="a deployment asleep")
    asked = ours.question(host)
    started = time.perf_counter()
    try:
        status, body = asked.ask()
    except (OSError, http.client.HTTPException) as error:
        raise AssertionError(f"the request that wakes failed: {error!r}") from error
    start = _Start(time.perf_counter() - started, _used(host, set()))
    assert asked.is_right(status, body), (status, body)
    sys.stderr.write(f"  from zero to 200: {start}\n")
    return start


def _used(host: RunningHost, before: set[int]) -> float:
    return sum(cpu_seconds(pid) or 0.0 for pid in set(host.processes(" serve ")) - before)


def _line(what: str, starts: list[_Start], reach: float) -> Line:
    taken, used = median(each.taken for each in starts), median(each.used for each in starts)
    all_taken = ", ".join(f"{each.taken:.2f}" for each in starts)
    told = f"{taken:.2f} s (of {all_taken}; the model process used {used:.2f} s of a processor)"
    return at_most(what, told, taken, reach, "s")
