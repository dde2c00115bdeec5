"""A deployment that sleeps when nobody asks and wakes for who comes, what a host that stops
has counted, and a host that was killed and serves again, with a host's own timers."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import until

pytestmark = pytest.mark.journey
GATED = """
import os
import time


def init():
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)


def run(data):
    return "gated"
"""


@pytest.fixture(scope="module")
def drowsy(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """`echo/blue` sleeps after a second; figures are stored every five minutes."""
    settings = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "1", "ML_ENDPOINTS_AGGREGATE_PERIOD": "300"}
    folder: Path = tmp_path_factory.mktemp("host") / "data"
    with fleet.hosting(folder, environment=settings) as host:
        serving.environment(host)
        serving.endpoint(host, "echo")
        code = serving.codes(host, "echo", {"score.py": serving.ECHO})
        scale = {"scaleType": "TargetUtilization", "minInstances": 0, "maxInstances": 1}
        serving.deploy(host, "echo/green", code)
        serving.deploy(
            host,
            "echo/blue",
            code,
            scaleSettings={**scale, "pollingInterval": "PT1S"},
            requestSettings={"maxConcurrentRequestsPerInstance": 8},
        )
        serving.traffic(host, "echo", blue=100)
        yield host


@pytest.fixture
def running(fleet: Fleet, drowsy: RunningHost) -> Callable[[], set[str]]:
    """The instances of `blue`."""
    return lambda: fleet.instances(drowsy, "echo/blue")


@pytest.mark.cluster
def test_it_sleeps_when_nobody_asks_and_wakes_for_a_crowd_of_which_nobody_fails(
    drowsy: RunningHost, running: Callable[[], set[str]]
) -> None:
    until(lambda: not running(), what="blue asleep")
    shown = drowsy.workspace.get("onlineEndpoints/echo/deployments/blue")["properties"]
    assert shown["provisioningState"] == "Succeeded"
    hold = serving.Hold(drowsy)
    with serving.caller(drowsy, "echo") as caller, ThreadPoolExecutor(8) as pool:
        held = pool.submit(caller.post, "", json=hold.asked)
        replies = list(pool.map(lambda number: caller.post("", json=[number]), range(24)))
        until(hold.in_hand)
        # One that was falling asleep again may still be there beside the one that was woken.
        until(lambda: len(running()) == 1, "one instance")
        hold.open()
        assert held.result().status_code == 200
    assert [(r.status_code, r.json()) for r in replies] == [(200, [n]) for n in range(24)]
    until(lambda: not running(), what="blue asleep again")

    def counts() -> list[tuple[str, int, int, str]]:
        return [
            (line["action"], line["before"], line["after"], line["reason"].partition(" in ")[0])
            for line in drowsy.story(endpoint="echo", deployment="blue")
            if "before" in line
        ]

    slept = ("deployment_slept", 1, 0, "nobody has asked for it")
    woken = ("deployment_woken", 0, 1, "a request came while it slept")
    told = until(lambda: len(there := counts()) >= 3 and there[-1] == slept and there)
    # Where the machine stands still for a second it has nobody ask while they wait for it.
    assert told == [slept, *([woken, slept] * (len(told) // 2))]


def test_what_a_host_has_counted_is_stored_when_it_stops(drowsy: RunningHost) -> None:
    mirror = {"properties": {"mirrorTraffic": {"green": 50}}}
    drowsy.workspace.mutate("PATCH", "onlineEndpoints/echo", mirror)
    with serving.caller(drowsy, "echo") as caller:
        assert {caller.post("", json=[1]).status_code for _ in range(10)} == {200}

    def report() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = drowsy.workspace.get("onlineEndpoints/echo/shadowReports")[
            "value"
        ]
        return found

    assert report() == []
    assert drowsy.stop() == 0
    drowsy.start()
    [found] = report()
    assert found["mirrored"] + sum(found["lost"].values()) == 5


@pytest.mark.only_processes("instances elsewhere do not end with their host")
def test_a_split_loses_no_request_and_no_share_when_a_killed_host_has_started_again(
    drowsy: RunningHost,
) -> None:
    gate = drowsy.meeting / "gate"
    gate.touch()
    gated = serving.codes(drowsy, "gated", {"score.py": GATED})
    options: dict[str, Any] = {
        "requestSettings": {"maxConcurrentRequestsPerInstance": 16},
        "environmentVariables": {"GATE": str(gate)},
    }
    serving.deploy(drowsy, "echo/red", gated, **options)
    serving.traffic(drowsy, "echo", blue=20, red=80)
    drowsy.kill()
    gate.unlink()
    drowsy.start()
    with serving.caller(drowsy, "echo") as caller, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(caller.post, "", json=[number]) for number in range(20)]
        try:
            until(lambda: sum(each.done() for each in asked) == 4, "blue's have been answered")
        finally:
            gate.touch()
        replies = [each.result() for each in asked]
    assert {reply.status_code for reply in replies} == {200}, [r.text for r in replies]
    shares = Counter(reply.headers["azureml-model-deployment"] for reply in replies)
    assert shares == {"blue": 4, "red": 16}
