"""Rollouts on their way, with two gateways on one store."""

import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import StaleETag
from domain.ports import (
    Break,
    BrokenOff,
    Instance,
    InstanceLost,
    ScoringRequest,
    ScoringResponse,
    WorkloadState,
)
from infra.embedded.http.caller_connection import CutOff
from tests.kit.clocks import hold_durations
from tests.kit.scorers import Script, says
from tests.kit.stages.gateway_stage import Gateways, opened

LIMITS: dict[str, Any] = {"errorRate": 0.1, "minimumRequests": 10}
STEPS: list[dict[str, Any]] = [
    {"traffic": {"blue": 80, "green": 20}, "duration": "PT1M"},
    {"traffic": {"green": 100}, "duration": "PT1M"},
]


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    async with opened(tmp_path) as gateways:
        await gateways.iris("blue", "green")
        await gateways.patch(traffic={"blue": 100})
        yield gateways


async def begin(gateways: Gateways, steps: list[Any] = STEPS, **limits: Any) -> None:
    asked = {"steps": steps, "limits": {**LIMITS, **limits}}
    reply = await gateways.patch(rollout=asked)
    assert reply.status_code == 202, reply.text


async def load(gateways: Gateways, requests: int = 100) -> set[int]:
    """Requests to both gateways, half each, and what they counted in the store."""
    codes = set()
    for number in range(requests):
        codes.add((await gateways.all[number % 2].score()).status_code)
    await gateways.store_counts()
    return codes


async def status(gateways: Gateways) -> dict[str, Any]:
    found: dict[str, Any] = (await gateways.endpoint())["rolloutStatus"]
    return found


def green_fails(instance: Instance, request: ScoringRequest) -> ScoringResponse | BaseException:
    if instance.id == "green":
        return InstanceLost("it died", sent=True)
    return says(200, b"1")


async def test_it_goes_through_its_steps_and_is_completed(gateways: Gateways) -> None:
    await begin(gateways)
    endpoint = await gateways.endpoint()
    assert endpoint["traffic"] == {"blue": 80, "green": 20}
    assert endpoint["rollout"]["steps"][1]["traffic"] == {"green": 100}
    found = endpoint["rolloutStatus"]
    assert (found["state"], found["step"], found["steps"]) == ("Running", 1, 2)
    assert (found["before"], found["startedBy"]) == ({"blue": 100}, "an-owner")
    assert await load(gateways) == {200}
    await gateways.look()
    assert (await status(gateways))["step"] == 1
    await gateways.look(60)
    assert (await gateways.endpoint())["traffic"] == {"green": 100}
    gateways.clock.move(2)
    assert await load(gateways) == {200}
    await gateways.look(60)
    endpoint = await gateways.endpoint()
    assert (endpoint["traffic"], endpoint["rollout"]) == ({"green": 100}, None)
    found = endpoint["rolloutStatus"]
    assert (found["state"], found["reason"]) == ("Completed", "Every step kept its limits.")
    assert found["endedAt"]
    await gateways.look(60)
    assert not await gateways.store.due(gateways.clock.unix() + 1e6)


async def test_too_many_errors_take_it_back_with_the_reason_kept(gateways: Gateways) -> None:
    await begin(gateways)
    gateways.scorer.script = green_fails
    assert await load(gateways) == {200, 502}
    await gateways.look()
    endpoint = await gateways.endpoint()
    assert (endpoint["traffic"], endpoint["rollout"]) == ({"blue": 100}, None)
    found = endpoint["rolloutStatus"]
    assert found["state"] == "RolledBack"
    assert found["reason"] == (
        "Step 1: 20 of 20 requests to 'green' failed (100.00%); the limit is 10.00%."
    )
    gateways.clock.move(2)
    assert await load(gateways) == {200}


async def test_streams_that_break_off_take_it_back(gateways: Gateways) -> None:
    async def tokens(instance: Instance) -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        if instance.id == "green":
            raise BrokenOff(Break.CUT_OFF, "The script raised.")

    await begin(gateways)
    gateways.scorer.script = lambda instance, request: says(200, tokens(instance))
    whole = 0
    for number in range(100):
        with contextlib.suppress(CutOff):
            whole += (await gateways.all[number % 2].score()).status_code == 200
    await gateways.store_counts()
    await gateways.look()
    assert whole == 80
    found = await status(gateways)
    assert (found["state"], found["reason"]) == (
        "RolledBack",
        "Step 1: 20 of 20 requests to 'green' failed (100.00%); the limit is 10.00%.",
    )


async def test_neither_gateway_alone_saw_enough_but_both_did(gateways: Gateways) -> None:
    await begin(gateways, minimumRequests=20)
    gateways.scorer.script = green_fails
    for _ in range(50):
        await gateways.all[0].score()
    await gateways.store_counts()
    await gateways.look()
    assert (await status(gateways))["state"] == "Running"
    for _ in range(50):
        await gateways.all[1].score()
    await gateways.store_counts()
    await gateways.look()
    assert (await status(gateways))["state"] == "RolledBack"


async def test_a_slow_deployment_takes_it_back(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    durations = hold_durations(monkeypatch)

    def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        durations.move(0.3 if instance.id == "green" else 0.1)
        return says(200, b"1")

    await begin(gateways, p95LatencyMs=200)
    gateways.scorer.script = answer
    await load(gateways)
    await gateways.look()
    found = await status(gateways)
    assert found["state"] == "RolledBack"
    assert "95th percentile of 'green'" in found["reason"]


def fails_on_what_is_malformed(status: int) -> Script:
    """A model, the same under every name, to which each fifth caller or so, by luck, sends what
    it can't read."""
    luck = random.Random(7)
    return lambda instance, request: (
        says(status, b'{"message": "no JSON"}') if luck.random() < 0.2 else says(200, b"1")
    )


@pytest.mark.parametrize(
    ("answered", "counted"),
    [(500, "errors"), (400, "refused")],
    ids=["run() raises", "the model refuses"],
)
async def test_the_same_model_is_not_taken_back_for_its_callers(
    gateways: Gateways, answered: int, counted: str
) -> None:
    gateways.scorer.script = fails_on_what_is_malformed(answered)
    await begin(gateways)
    for _ in STEPS:
        assert await load(gateways, 500) == {200, 424}
        await gateways.look(61)
        gateways.clock.move(2)
    endpoint = await gateways.endpoint()
    found = endpoint["rolloutStatus"]
    assert (found["state"], endpoint["traffic"]) == ("Completed", {"green": 100}), found
    first, second = found["compared"]
    assert (first["step"], first["deployment"], first["incumbent"]["step"]) == (1, "green", 1)
    assert (second["step"], second["incumbent"]["step"]) == (2, 1)
    assert first["incumbent"]["deployments"] == ["blue"]
    assert (first["observed"]["requests"], first["incumbent"]["observed"]["requests"]) == (100, 400)
    for each in (first["observed"], first["incumbent"]["observed"], second["observed"]):
        other = {"errors": "refused", "refused": "errors"}[counted]
        assert 0.1 < each[counted] / each["requests"] < 0.3
        assert each[other] == 0
    assert first["chance"] > 0.001


async def test_a_version_that_refuses_what_the_incumbent_takes_is_taken_back(
    gateways: Gateways,
) -> None:
    await begin(gateways)
    gateways.scorer.script = lambda instance, request: (
        says(400, b"what is this?") if instance.id == "green" else says(200, b"1")
    )
    await load(gateways)
    await gateways.look()
    found = await status(gateways)
    assert (found["state"], found["reason"]) == (
        "RolledBack",
        "Step 1: 'green' refused 20 of 20 requests as their callers' fault (100.00%); the "
        "incumbent refused 0 of 80 (0.00%), and the limit is 10.00%.",
    )
    assert found["compared"][0]["outcome"] in found["reason"]


async def test_a_version_worse_than_the_incumbent_by_more_than_its_ratio_is_taken_back(
    gateways: Gateways,
) -> None:
    await begin(gateways, relativeErrorRate=1.5)
    turns = itertools.count()
    gateways.scorer.script = lambda instance, request: (
        says(500, b"") if instance.id == "green" and next(turns) % 11 == 0 else says(200, b"1")
    )
    await load(gateways, 500)
    await gateways.look()
    found = await status(gateways)
    assert found["state"] == "RolledBack"
    assert "the limit is 1.5 times the incumbent's share, 0 of 400 (0.00%)." in found["reason"]


async def test_a_step_waits_for_enough_requests(gateways: Gateways) -> None:
    await begin(gateways)
    await gateways.look(3600)
    assert ((await status(gateways))["state"], (await status(gateways))["step"]) == ("Running", 1)
    gateways.clock.move(2)
    await load(gateways)
    await gateways.look()
    assert (await status(gateways))["step"] == 2


async def test_figures_of_a_step_are_its_own(gateways: Gateways) -> None:
    await begin(gateways)
    gateways.scorer.script = green_fails
    for _ in range(30):
        await gateways.one.score(azureml_model_deployment="green")
    await load(gateways, 40)
    await gateways.look()
    # 8 of the split's 40 came to green; those that named it are not the rollout's.
    assert (await status(gateways))["state"] == "Running"


async def test_a_restart_of_every_host_changes_nothing(gateways: Gateways, tmp_path: Path) -> None:
    await begin(gateways)
    await load(gateways)
    async with opened(tmp_path, clock=gateways.clock, compute=gateways.compute) as again:
        await again.look(61)
        assert (await status(again))["step"] == 2
        again.scorer.script = green_fails
        again.clock.move(2)
        await load(again)
        await again.look()
        assert (await again.endpoint())["traffic"] == {"blue": 100}
        assert (await status(again))["state"] == "RolledBack"


async def test_a_look_by_two_hosts_at_once_is_one(gateways: Gateways) -> None:
    await begin(gateways)
    await load(gateways)
    gateways.clock.move(61)
    (alarm,) = await gateways.store.due(gateways.clock.unix())
    await gateways.one.application.rollout.guarding.resume(alarm)
    with pytest.raises(StaleETag):
        await gateways.other.application.rollout.guarding.resume(alarm)
    assert (await status(gateways))["step"] == 2


async def test_a_manual_change_of_traffic_ends_it(gateways: Gateways) -> None:
    await begin(gateways)
    assert (await gateways.patch(traffic={"blue": 50, "green": 50})).status_code == 202
    endpoint = await gateways.endpoint()
    assert endpoint["traffic"] == {"blue": 50, "green": 50}
    assert endpoint["rollout"] is None
    assert endpoint["rolloutStatus"]["state"] == "Ended"
    assert "an-owner changed the traffic by hand in step 1." in endpoint["rolloutStatus"]["reason"]
    gateways.scorer.script = green_fails
    await load(gateways)
    await gateways.look(600)
    assert (await gateways.endpoint())["traffic"] == {"blue": 50, "green": 50}


async def test_taking_the_steps_away_leaves_the_traffic_where_it_is(gateways: Gateways) -> None:
    await begin(gateways)
    await gateways.patch(rollout=None)
    endpoint = await gateways.endpoint()
    assert (endpoint["traffic"], endpoint["rollout"]) == ({"blue": 80, "green": 20}, None)
    assert endpoint["rolloutStatus"]["state"] == "Ended"


async def test_other_changes_and_what_was_read_put_back_leave_it_running(
    gateways: Gateways,
) -> None:
    await begin(gateways)
    await gateways.patch(description="Other words")
    body = (await gateways.one.arm("GET", "onlineEndpoints/iris")).json()
    reply = await gateways.one.arm("PUT", "onlineEndpoints/iris", body)
    assert reply.status_code == 200, reply.text
    await gateways.settle()
    found = await status(gateways)
    assert (found["state"], found["step"]) == ("Running", 1)
    await load(gateways)
    await gateways.look(60)
    assert (await status(gateways))["step"] == 2


async def test_other_steps_begin_anew_and_go_back_to_where_the_first_began(
    gateways: Gateways,
) -> None:
    await begin(gateways)
    first = await status(gateways)
    await begin(gateways, [{"traffic": {"blue": 30, "green": 70}, "duration": "PT1H"}])
    second = await status(gateways)
    assert second["id"] != first["id"]
    assert second["before"] == {"blue": 100}
    gateways.scorer.script = green_fails
    await load(gateways)
    await gateways.look(61)
    endpoint = await gateways.endpoint()
    assert (endpoint["traffic"], endpoint["rolloutStatus"]["state"]) == (
        {"blue": 100},
        "RolledBack",
    )
    await gateways.look(61)
    assert not await gateways.store.due(gateways.clock.unix() + 1e6)


async def test_the_same_steps_after_the_end_are_a_new_rollout(gateways: Gateways) -> None:
    await begin(gateways)
    await gateways.one.arm("POST", "onlineEndpoints/iris/rollBack")
    await begin(gateways)
    assert (await status(gateways))["state"] == "Running"


async def test_a_deployment_that_fails_takes_it_back(gateways: Gateways) -> None:
    await begin(gateways)
    gateways.compute.state = WorkloadState.FAILED
    body = {"properties": {"environmentVariables": {"BROKEN": "1"}}}
    path = "onlineEndpoints/iris/deployments/green"
    assert (await gateways.one.arm("PATCH", path, body)).status_code == 202
    await gateways.settle()
    await gateways.look()
    found = await status(gateways)
    assert (found["state"], found["reason"]) == (
        "RolledBack",
        "Step 1: deployment 'green' has failed.",
    )


async def test_a_deployment_with_a_part_in_it_cannot_be_deleted(gateways: Gateways) -> None:
    await begin(gateways, [{"traffic": {"green": 100}, "duration": "PT1M"}])
    reply = await gateways.one.arm("DELETE", "onlineEndpoints/iris/deployments/blue")
    assert reply.status_code == 409
    assert reply.json()["error"]["target"] == "properties.rollout"
    await gateways.patch(rollout=None)
    reply = await gateways.one.arm("DELETE", "onlineEndpoints/iris/deployments/blue")
    assert reply.status_code == 202


async def test_deleting_the_endpoint_ends_it(gateways: Gateways) -> None:
    await begin(gateways)
    assert (await gateways.one.arm("DELETE", "onlineEndpoints/iris")).status_code == 202
    await gateways.settle()
    await gateways.look()
    assert not await gateways.store.due(gateways.clock.unix() + 1e6)


async def test_faults_of_a_plan_are_refused_before_anything_moves(gateways: Gateways) -> None:
    steps = [{"traffic": {"blue": 50, "red": 20}, "duration": "PT1M"}]
    reply = await gateways.patch(rollout={"steps": steps, "limits": LIMITS})
    assert reply.status_code == 400
    targets = {detail["target"] for detail in reply.json()["error"]["details"]}
    assert targets == {
        "properties.rollout.steps.0.traffic",
        "properties.rollout.steps.0.traffic.red",
    }
    assert (await gateways.endpoint())["traffic"] == {"blue": 100}


# -- going back by hand --------------------------------------------------------------------


async def back(gateways: Gateways) -> tuple[int, Any]:
    reply = await gateways.other.arm("POST", "onlineEndpoints/iris/rollBack")
    return reply.status_code, reply.json()


async def test_a_running_rollout_goes_back_at_once_when_asked(gateways: Gateways) -> None:
    await begin(gateways)
    code, body = await back(gateways)
    assert (code, body["properties"]["traffic"]) == (200, {"blue": 100})
    assert body["properties"]["rolloutStatus"]["reason"] == "an-owner asked for it in step 1."
    reply = await gateways.other.score()
    assert reply.headers["azureml-model-deployment"] == "blue"
    gateways.clock.move(2)
    deployments = {
        (await gateways.one.score()).headers["azureml-model-deployment"] for _ in range(50)
    }
    assert deployments == {"blue"}


async def test_a_change_of_traffic_can_be_taken_back_once(gateways: Gateways) -> None:
    assert (await gateways.patch(traffic={"blue": 0, "green": 100})).status_code == 202
    code, body = await back(gateways)
    assert (code, body["properties"]["traffic"]) == (200, {"blue": 100})
    code, body = await back(gateways)
    assert (code, body["error"]["code"]) == (409, "NothingToRollBack")
    assert (await gateways.endpoint())["traffic"] == {"blue": 100}


async def test_after_a_rollback_by_itself_there_is_no_way_forward_by_mistake(
    gateways: Gateways,
) -> None:
    await begin(gateways)
    gateways.scorer.script = green_fails
    await load(gateways)
    await gateways.look()
    assert (await back(gateways))[0] == 409


async def test_a_completed_rollout_can_be_taken_back(gateways: Gateways) -> None:
    await begin(gateways, [{"traffic": {"green": 100}, "duration": "PT1M"}])
    await load(gateways)
    await gateways.look(61)
    assert (await status(gateways))["state"] == "Completed"
    code, body = await back(gateways)
    assert (code, body["properties"]["traffic"]) == (200, {"blue": 100})


async def test_there_is_no_way_back_to_a_deployment_that_is_gone(gateways: Gateways) -> None:
    assert (await gateways.patch(traffic={"blue": 0, "green": 100})).status_code == 202
    await gateways.one.arm("DELETE", "onlineEndpoints/iris/deployments/blue")
    await gateways.settle()
    code, body = await back(gateways)
    assert code == 400
    assert body["error"]["details"][0]["target"] == "properties.traffic.blue"
