"""Mirrored traffic: after the answer, best effort, and what it shows."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.ports import (
    Break,
    BrokenOff,
    Instance,
    InstanceLost,
    ScoringRequest,
    ScoringResponse,
)
from domain.scoring.scoring_headers import MODEL_REASON
from infra.embedded.http.caller_connection import CutOff
from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import Gateways, opened
from tests.kit.waiting import eventually, patience


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    settings = {"mirror_max_in_flight": "3", "mirror_max_bytes": "100000"}
    async with opened(tmp_path, settings=settings) as gateways:
        yield gateways


async def mirrored(gateways: Gateways, percent: int = 50) -> None:
    await gateways.iris("blue", "green")
    reply = await gateways.patch(traffic={"blue": 100}, mirrorTraffic={"green": percent})
    assert reply.status_code == 202, reply.text


async def reports(gateways: Gateways) -> list[dict[str, Any]]:
    await gateways.store_counts()
    reply = await gateways.other.arm("GET", "onlineEndpoints/iris/shadowReports")
    assert reply.status_code == 200
    found: list[dict[str, Any]] = reply.json()["value"]
    return found


async def over_time(gateways: Gateways, metric: str, by: str) -> dict[str, float]:
    """What has been counted within the hour, by a dimension."""
    for gateway in gateways.all:
        await gateway.application.figures.gathering.flush()
    query = f"metricnames={metric}&interval=FULL&aggregation=Total&$filter={by} eq '*'"
    path = f"onlineEndpoints/iris/providers/Microsoft.Insights/metrics?{query}"
    gateways.clock.move(1)
    series = (await gateways.one.arm("GET", path)).json()["value"][0]["timeseries"]
    return {
        each["metadatavalues"][0]["value"].casefold(): each["data"][0]["total"] for each in series
    }


def asked(gateways: Gateways) -> Counter[str]:
    return Counter(instance.id for instance, _, _ in gateways.scorer.asked)


@pytest.mark.parametrize("percent", [1, 10, 50])
async def test_exactly_its_percentage_of_requests_is_copied(
    gateways: Gateways, percent: int
) -> None:
    await mirrored(gateways, percent)
    for _ in range(100):
        reply = await gateways.one.score()
        assert reply.headers["azureml-model-deployment"] == "blue"
        await gateways.one.store_counts()
    assert asked(gateways) == {"blue": 100, "green": percent}


async def test_a_copy_is_the_same_request(gateways: Gateways) -> None:
    await mirrored(gateways)
    for _ in range(2):
        await gateways.one.score(content=b"[1, 2]", x_request_id="an-id")
    await gateways.store_counts()
    copies = [r for instance, r, _ in gateways.scorer.asked if instance.id == "green"]
    original = gateways.scorer.asked[0][1]
    (copy,) = copies
    assert (copy.body, copy.method, copy.path) == (b"[1, 2]", "POST", "/score")
    assert list(copy.headers) == list(original.headers)
    assert "authorization" not in dict(copy.headers)


async def test_a_mirror_that_hangs_or_breaks_never_slows_or_fails_a_caller(
    gateways: Gateways,
) -> None:
    await mirrored(gateways)
    mirroring = gateways.one.application.rollout.mirroring
    let_go = asyncio.Event()
    hanging = 0
    breaks: list[BaseException] = [RuntimeError("a fault inside"), InstanceLost("x", sent=True)]

    async def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        nonlocal hanging
        if instance.id == "blue":
            return says(200, b"1")
        if breaks:
            raise breaks.pop()
        hanging += 1
        await let_go.wait()
        return says(200, b"2")

    gateways.scorer.script = answer
    for _ in range(20):
        async with patience():
            reply = await gateways.one.score()
        assert (reply.status_code, reply.content) == (200, b"1")
        await eventually(lambda: mirroring.in_flight == hanging, "the others have ended")
    let_go.set()
    (found,) = await reports(gateways)
    # 10 turns: one died of a fault of ours, one lost its instance, 3 at once, 5 too many.
    assert found["lost"] == {"tooManyInFlight": 5}
    assert found["mirrored"] == 4
    assert found["mirror"]["errors"] == 1


async def test_a_copy_that_hangs_does_not_keep_a_closing_gateway_from_storing_its_counts(
    gateways: Gateways,
) -> None:
    await mirrored(gateways)
    copies = 0

    async def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        nonlocal copies
        if instance.id == "green":
            copies += 1
            if copies > 1:
                await asyncio.Event().wait()
        return says(200, b"1")

    gateways.scorer.script = answer
    for _ in range(4):
        await gateways.one.score()
    async with patience():
        await gateways.one.application.close(grace=0.05)
    (found,) = await reports(gateways)
    assert (found["mirrored"], found["lost"]) == (1, {"incomplete": 1})


async def test_requests_that_name_a_deployment_are_not_mirrored(gateways: Gateways) -> None:
    await mirrored(gateways)
    for _ in range(10):
        await gateways.one.score(azureml_model_deployment="blue")
    await gateways.store_counts()
    assert asked(gateways) == {"blue": 10}
    assert await reports(gateways) == []


async def test_agreement_latency_and_errors_of_both_gateways_add_up(gateways: Gateways) -> None:
    await mirrored(gateways)

    def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        sent = json.loads(request.body if isinstance(request.body, bytes) else b"")
        if instance.id == "blue":
            return says(500, b"") if sent == 9 else says(200, b"[0.1]")
        return says(200, b"[0.100000001]" if sent < 3 else b"[7]")

    gateways.scorer.script = answer
    for number in (0, 3, 4, 9):
        for gateway in gateways.all:
            for _ in range(2):
                await gateway.score(content=str(number).encode())
        await gateways.store_counts()
    (found,) = await reports(gateways)
    assert found["live"]["deployment"] == "blue"
    assert found["mirror"]["deployment"] == "green"
    assert found["lost"] == {}
    assert (found["mirrored"], found["compared"], found["agreed"]) == (8, 6, 2)
    assert found["agreement"] == pytest.approx(1 / 3)
    assert (found["live"]["errors"], found["mirror"]["errors"]) == (2, 0)
    assert found["gap"]["errorRate"] == -0.25
    assert found["live"]["latencyMs"]["p95"] > 0
    assert found["lost"] == {}


@pytest.mark.parametrize("change", ["blue", "green"])
async def test_a_change_of_either_deployment_begins_the_report_anew(
    gateways: Gateways, change: str
) -> None:
    await mirrored(gateways)
    for _ in range(4):
        await gateways.one.score()
    assert [r["mirrored"] for r in await reports(gateways)] == [2]
    await gateways.put_deployment(change, environmentVariables={"NEW": "1"})
    assert await reports(gateways) == []
    for _ in range(2):
        await gateways.one.score()
    assert [r["mirrored"] for r in await reports(gateways)] == [1]


async def test_an_untouched_report_outlives_its_gateways(
    gateways: Gateways, tmp_path: Path
) -> None:
    await mirrored(gateways)
    for _ in range(2):
        await gateways.one.score()
    await gateways.store_counts()
    clock, compute = gateways.clock, gateways.compute
    async with opened(tmp_path, clock=clock, compute=compute) as again:
        for _ in range(2):
            await again.one.score()
        assert [r["mirrored"] for r in await reports(again)] == [2]


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 10_000


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_not_copied_and_counted(
    gateways: Gateways, declared: bool
) -> None:
    await mirrored(gateways)
    taken: list[int] = []

    async def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        body = request.body
        taken.append(len(body) if isinstance(body, bytes) else sum([len(p) async for p in body]))
        return says(200, b"1")

    gateways.scorer.script = answer
    headers = {"Authorization": "Bearer primary-key-of-this-test"}
    for _ in range(2):
        content: Any = b"x" * 110_000 if declared else pieces(11)
        reply = await gateways.one.http.post(
            "/endpoints/iris/score", content=content, headers=headers
        )
        assert reply.status_code == 200
    (found,) = await reports(gateways)
    assert found["lost"] == {"tooLarge": 1}
    assert taken == [110_000, 110_000]


async def test_streamed_bodies_and_answers_are_copied_and_compared(gateways: Gateways) -> None:
    await mirrored(gateways)

    async def parts() -> AsyncIterator[bytes]:
        yield b"[1,"
        yield b" 2]"

    async def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        body = request.body
        whole = body if isinstance(body, bytes) else b"".join([p async for p in body])
        assert len(whole) == 80_000
        return says(200, parts() if instance.id == "blue" else b"[1,2]")

    gateways.scorer.script = answer
    headers = {"Authorization": "Bearer primary-key-of-this-test"}
    for _ in range(2):
        reply = await gateways.one.http.post(
            "/endpoints/iris/score", content=pieces(8), headers=headers
        )
        assert reply.content == b"[1, 2]"
    (found,) = await reports(gateways)
    assert (found["compared"], found["agreed"]) == (1, 1)
    assert await over_time(gateways, "MirroredRequests", "mirror") == {"green": 1}


async def test_a_mirror_that_is_not_ready_or_overloaded_is_lost_not_wrong(
    gateways: Gateways,
) -> None:
    await mirrored(gateways)
    gateways.compute.absent.add("green")
    for _ in range(2):
        assert (await gateways.one.score()).status_code == 200
    await gateways.one.store_counts()
    gateways.compute.absent.clear()
    too_many = [(MODEL_REASON, "too_many_pending_request")]
    gateways.scorer.script = lambda instance, request: (
        says(200, b"1") if instance.id == "blue" else says(429, b"", too_many)
    )
    for _ in range(2):
        assert (await gateways.one.score()).status_code == 200
    (found,) = await reports(gateways)
    assert found["lost"] == {"notReady": 1, "overloaded": 1}
    assert found["mirrored"] == 0
    assert await over_time(gateways, "LostCopies", "reason") == {"notready": 1, "overloaded": 1}


async def test_a_failing_live_deployment_is_mirrored_too(gateways: Gateways) -> None:
    await mirrored(gateways)
    gateways.scorer.script = lambda instance, request: (
        InstanceLost("died", sent=True) if instance.id == "blue" else says(200, b"1")
    )
    for _ in range(2):
        assert (await gateways.one.score()).status_code == 502
    (found,) = await reports(gateways)
    assert (found["live"]["errors"], found["mirror"]["errors"]) == (1, 0)


@pytest.mark.parametrize("broken", ["blue", "green"])
async def test_a_stream_that_breaks_off_is_an_error_of_its_side(
    gateways: Gateways, broken: str
) -> None:
    await mirrored(gateways)

    async def tokens(instance: Instance) -> AsyncIterator[bytes]:
        yield b"one"
        if instance.id == broken:
            raise BrokenOff(Break.CUT_OFF, "The script raised.")

    gateways.scorer.script = lambda instance, request: says(200, tokens(instance))
    for _ in range(4):
        with contextlib.suppress(CutOff):
            await gateways.one.score()
    (found,) = await reports(gateways)
    assert (found["mirrored"], found["compared"], found["lost"]) == (2, 0, {})
    errors = {side: found[side]["errors"] for side in ("live", "mirror")}
    assert errors == {"live": 2 * (broken == "blue"), "mirror": 2 * (broken == "green")}


async def test_without_a_mirror_nothing_is_kept(gateways: Gateways) -> None:
    await gateways.iris("blue")
    await gateways.patch(traffic={"blue": 100})
    for _ in range(5):
        await gateways.one.score()
    assert not gateways.one.application.sums.pending
    assert await reports(gateways) == []


async def test_a_deployment_that_is_a_mirror_cannot_be_deleted(gateways: Gateways) -> None:
    await mirrored(gateways)
    reply = await gateways.one.arm("DELETE", "onlineEndpoints/iris/deployments/green")
    assert reply.status_code == 409
