"""Which instance a request goes to, and how often it may be sent."""

import asyncio
import contextlib
from collections import Counter

import pytest

from domain.ports import Break, BrokenOff, Instance, InstanceLost, ScoringRequest, ScoringResponse
from domain.scoring.outliers import FAILURES
from domain.scoring.scoring_bodies import StreamedAnswer
from tests.domain.scoring.passing import Body, Stage, header, pieces_of
from tests.kit.scorers import says
from tests.kit.waiting import patience


async def test_idle_instances_take_turns(stage: Stage) -> None:
    stage.compute.start("iris", "green", 3)
    chosen = Counter([(await stage.score(deployment="green")).body for _ in range(30)])
    assert chosen == {b"green-0": 10, b"green-1": 10, b"green-2": 10}


async def test_a_split_and_the_turn_of_instances_do_not_beat_together(stage: Stage) -> None:
    await stage.endpoints.change("iris", traffic={"blue": 50, "green": 50})
    for name in ("blue", "green"):
        stage.compute.start("iris", name, 2)
    chosen = Counter([(await stage.score()).body for _ in range(100)])
    assert set(chosen.values()) == {25}


async def test_the_instance_with_the_fewest_requests_under_way_is_chosen(stage: Stage) -> None:
    stage.compute.start("iris", "green", 3)
    leave = asyncio.Event()
    all_wait = asyncio.Event()

    async def wait(instance: Instance) -> ScoringResponse:
        if len(stage.scorer.asked) == 9:
            all_wait.set()
        await leave.wait()
        return says(body=instance.id.encode())

    stage.scorer.script = lambda instance, request: wait(instance)
    waiting = [asyncio.create_task(stage.score(deployment="green")) for _ in range(9)]
    async with patience():
        await all_wait.wait()
    assert set(Counter(i.id for i, _, _ in stage.scorer.asked).values()) == {3}
    leave.set()
    await asyncio.gather(*waiting)
    assert stage.under_way == 0


async def test_a_deployment_with_no_ready_instance_is_424_model_not_ready(stage: Stage) -> None:
    stage.compute.start("iris", "green", 0)
    answer = await stage.score(deployment="green")
    assert answer.status == 424
    assert header(answer, "ms-azureml-model-error-reason") == "model_not_ready"
    assert header(answer, "retry-after") == "1"
    assert header(answer, "azureml-model-deployment") == "green"
    assert answer.refusal is not None
    assert "Succeeded" in answer.refusal.message


async def test_a_lost_instance_that_saw_nothing_is_replaced_by_another_once(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)
    dead = stage.compute.ready["online/iris/green"][0]
    stage.scorer.script = lambda instance, request: (
        InstanceLost("gone", sent=False) if instance == dead else says(body=b"fine")
    )
    for _ in range(4):
        answer = await stage.score(b"body", deployment="green")
        assert (answer.status, answer.body) == (200, b"fine")
    assert stage.under_way == 0


@pytest.mark.parametrize("instances", [1, 2, 5])
async def test_no_more_than_two_instances_are_tried(stage: Stage, instances: int) -> None:
    stage.compute.start("iris", "green", instances)
    stage.scorer.script = lambda instance, request: InstanceLost("gone", sent=False)
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == 424
    assert header(answer, "ms-azureml-model-error-reason") == "model_not_ready"
    assert len(stage.scorer.asked) == min(instances, 2)
    assert stage.under_way == 0


async def test_a_request_an_instance_may_have_seen_is_never_sent_twice(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)
    stage.scorer.script = lambda instance, request: InstanceLost("It was cut.", sent=True)
    answer = await stage.score(b"body", deployment="green")
    assert answer.status == 502
    assert answer.refusal is not None
    assert "It was cut." in answer.refusal.message
    assert len(stage.scorer.asked) == 1
    assert stage.under_way == 0


async def test_a_streamed_body_that_was_begun_is_not_sent_twice(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)

    async def take_one(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        await anext(request.body)
        raise InstanceLost("gone", sent=False)

    stage.scorer.script = lambda instance, request: take_one(request)
    answer = await stage.score(
        Body(b"one", b"two"), deployment="green", headers=[("transfer-encoding", "chunked")]
    )
    assert answer.status == 502
    assert len(stage.scorer.asked) == 1


async def streamed(stage: Stage, *, left: bool = False) -> None:
    """One request to green, to the end of its answer, or `left` at its first piece."""
    answer = await stage.score(deployment="green")
    assert isinstance(answer.body, StreamedAnswer)
    if left:
        await anext(answer.body)
        await answer.body.aclose()
        return
    with contextlib.suppress(BrokenOff):
        async for _ in answer.body:
            pass


async def test_an_instance_whose_streams_break_off_is_left_out(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)
    bad = stage.compute.ready["online/iris/green"][0]
    stage.scorer.script = lambda instance, request: says(
        body=pieces_of(b"half", BrokenOff(Break.CUT_OFF, "raised"))
        if instance == bad
        else pieces_of(b"whole")
    )
    for _ in range(2 * FAILURES):
        await streamed(stage)
    stage.scorer.asked.clear()
    for _ in range(10):
        await streamed(stage)
    assert bad not in {instance for instance, _, _ in stage.scorer.asked}


async def test_callers_that_leave_streams_say_nothing_of_the_instance(stage: Stage) -> None:
    stage.compute.start("iris", "green", 2)
    first = stage.compute.ready["online/iris/green"][0]
    stage.scorer.script = lambda instance, request: says(body=pieces_of(b"one", b"two"))
    for number in range(8 * FAILURES):
        await streamed(stage, left=number % 2 == 0)
    stage.scorer.asked.clear()
    for _ in range(10):
        await streamed(stage)
    assert len([i for i, _, _ in stage.scorer.asked if i == first]) == 5
