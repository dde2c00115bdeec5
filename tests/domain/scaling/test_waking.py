"""Requests for a deployment that sleeps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from domain.ground.counting.tally import Tally
from domain.ground.messages import SCALING_QUEUE
from domain.ground.provisioning_state import ProvisioningState
from domain.online.online_deployment import workload_key
from domain.ports import (
    Instance,
    Message,
    ScoringRequest,
    ScoringResponse,
    ServingObservation,
    WorkQueue,
)
from domain.ports.records.figure_store import Series
from domain.scaling.waking import Waking
from domain.scoring.online_routing import RouteTable
from domain.scoring.scoring_exchange import SCORE, Answer, Call, RequestBody
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock
from tests.kit.computes import StaticServing, known
from tests.kit.scorers import ScriptedScorer, names_itself, says
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, scoring_on
from tests.kit.waiting import PATIENCE, eventually, patience

KEY = workload_key("iris", "blue")


class NoBody(RequestBody):
    async def whole(self) -> bytes:
        return b""

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b""


class KeptQueue(WorkQueue):
    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def send(self, queue: str, *messages: Message) -> None:
        self.sent += [(queue, message.body) for message in messages]


class Gateway:
    """One gateway before `blue` of `iris`, which may sleep."""

    def __init__(self, store: SqliteResourceStore, limit: float, most: int) -> None:
        self.compute, self.queue, self.scorer = StaticServing(), KeptQueue(), ScriptedScorer()
        self.endpoints = Endpoints(store)
        self.brought_up: list[tuple[str, str]] = []
        self.runs = True
        self.tally = Tally()
        waking = Waking(
            self.compute, self.queue, self.bring_up, self.tally, limit=limit, max_waiting=most
        )
        routes = RouteTable(store, HeldClock(), read_limit=PATIENCE, refresh=known)
        self.scoring = scoring_on(routes, self.compute, self.scorer, awakening=waking)

    async def bring_up(self, endpoint: str, deployment: str) -> ServingObservation | None:
        self.brought_up.append((endpoint, deployment))
        if not self.runs:
            return None
        self.compute.unknown.clear()
        return await self.compute.observe(KEY)

    async def ask(self) -> Answer:
        headers = [("authorization", f"Bearer {PRIMARY}")]
        return await self.scoring.score(Call("iris", "POST", SCORE, "", headers, NoBody()))

    def asking(self, count: int) -> "list[asyncio.Task[Answer]]":
        return [asyncio.create_task(self.ask()) for _ in range(count)]


Open = Callable[..., Any]


@pytest.fixture
async def open_gateway(tmp_path: Path) -> AsyncIterator[Open]:
    store = SqliteResourceStore(tmp_path / "documents.db")

    async def opened(limit: float = 3600, most: int = 1000, **deployment: Any) -> Gateway:
        gateway = Gateway(store, limit, most)
        await gateway.endpoints.put("iris", {"blue": 100})
        await gateway.endpoints.put_deployment(
            "iris", "blue", **{"may_sleep": True, "max_concurrent": 2, **deployment}
        )
        return gateway

    yield opened
    await store.close()


async def test_many_requests_send_one_message_and_are_all_answered_a_few_at_a_time(
    open_gateway: Open,
) -> None:
    gateway: Gateway = await open_gateway()
    at_once = most = 0

    async def slow(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return says(body=b"1")

    gateway.scorer.script = slow
    tasks = gateway.asking(50)
    await eventually(lambda: gateway.queue.sent)
    assert not gateway.scorer.asked
    gateway.compute.start("iris", "blue")
    assert {(await task).status for task in tasks} == {200}
    wake = {"endpoint": "iris", "deployment": "blue"}
    assert gateway.queue.sent == [(SCALING_QUEUE, wake)]
    assert most == 2
    # Awake, it is asked without a message; asleep again, one wakes it again.
    assert (await gateway.ask()).status == 200
    assert len(gateway.queue.sent) == 1
    gateway.compute.ready.clear()
    again = gateway.asking(1)
    await eventually(lambda: len(gateway.queue.sent) == 2)
    gateway.compute.start("iris", "blue")
    assert (await again[0]).status == 200
    [(series, amounts)] = gateway.tally.take()
    assert series == Series("onlineendpoints/iris", "Wakes", ("blue",))
    assert amounts.total == 2


async def test_who_waits_too_long_is_told_so(open_gateway: Open) -> None:
    gateway: Gateway = await open_gateway(limit=0.05)
    answer = await gateway.ask()
    assert answer.status == 424
    assert answer.refusal is not None
    assert answer.refusal.limit == {"wake_wait_seconds": 0.05}
    assert ("ms-azureml-model-error-reason", "model_not_ready") in answer.headers


async def test_no_more_wait_than_may(open_gateway: Open) -> None:
    gateway: Gateway = await open_gateway(most=3)
    tasks = gateway.asking(5)
    await eventually(lambda: sum(task.done() for task in tasks) == 2)
    assert {task.result().status for task in tasks if task.done()} == {429}
    gateway.compute.start("iris", "blue")
    assert sorted([(await task).status for task in tasks]) == [200, 200, 200, 429, 429]


async def test_one_that_fails_to_wake_is_not_waited_for(open_gateway: Open) -> None:
    gateway: Gateway = await open_gateway()
    gateway.compute.failed.add(KEY)
    async with patience():
        answer = await gateway.ask()
    assert answer.status == 424
    assert answer.refusal is not None
    assert answer.refusal.limit is None


@pytest.mark.parametrize(
    "deployment",
    [
        {"may_sleep": False, "state": ProvisioningState.CREATING},
        {"may_sleep": False, "state": ProvisioningState.FAILED},
        {"state": ProvisioningState.FAILED},
    ],
    ids=str,
)
async def test_what_has_never_succeeded_is_not_waited_for(
    open_gateway: Open, deployment: dict[str, Any]
) -> None:
    gateway: Gateway = await open_gateway(**deployment)
    gateway.compute.unknown.add(KEY)
    async with patience():
        assert (await gateway.ask()).status == 424
    assert not gateway.queue.sent
    assert not gateway.brought_up


async def test_one_that_this_host_does_not_run_yet_is_brought_up_once_and_waited_for(
    open_gateway: Open,
) -> None:
    gateway: Gateway = await open_gateway(may_sleep=False)
    gateway.scorer.script = names_itself
    gateway.compute.unknown.add(KEY)
    tasks = gateway.asking(20)
    await eventually(lambda: gateway.brought_up)
    assert not gateway.scorer.asked
    gateway.compute.start("iris", "blue")
    assert {(await task).status for task in tasks} == {200}
    assert gateway.brought_up == [("iris", "blue")]
    assert not gateway.queue.sent


async def test_one_that_is_coming_up_here_is_waited_for_as_long_as_a_wake(
    open_gateway: Open,
) -> None:
    gateway: Gateway = await open_gateway(limit=0.05, may_sleep=False)
    answer = await gateway.ask()
    assert answer.status == 424
    assert answer.refusal is not None
    assert answer.refusal.limit == {"wake_wait_seconds": 0.05}
    assert not gateway.brought_up


async def test_one_that_the_store_says_runs_nothing_is_not_waited_for(open_gateway: Open) -> None:
    gateway: Gateway = await open_gateway(may_sleep=False)
    gateway.compute.unknown.add(KEY)
    gateway.runs = False
    async with patience():
        assert (await gateway.ask()).status == 424
    assert gateway.brought_up


async def test_one_whose_instances_have_died_here_is_not_waited_for(open_gateway: Open) -> None:
    gateway: Gateway = await open_gateway(may_sleep=False)
    gateway.compute.served.add(KEY)
    async with patience():
        answer = await gateway.ask()
    assert answer.status == 424
    assert answer.refusal is not None
    assert answer.refusal.limit is None
    assert not gateway.brought_up


async def test_a_caller_who_leaves_while_it_wakes_leaves_nothing_behind(
    open_gateway: Open,
) -> None:
    gateway: Gateway = await open_gateway()
    gateway.scorer.script = names_itself
    task = gateway.asking(1)[0]
    await eventually(lambda: gateway.queue.sent)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    later = gateway.asking(1)
    await eventually(lambda: len(gateway.queue.sent) == 2)
    gateway.compute.start("iris", "blue")
    assert (await later[0]).status == 200
