"""Workers, sleep and waking, and changes under load, on real processes behind a gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from domain.ground.counting.tally import Tally
from domain.ports import Message, ServingObservation, ServingWorkload, WorkloadState, WorkQueue
from domain.scaling.waking import Waking
from domain.scoring.online_routing import RouteTable
from domain.scoring.scoring_exchange import SCORE, Answer, Call, RequestBody
from infra.clock import SystemClock
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.infra.compute.conftest import House
from tests.kit.computes import known
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, scoring_on
from tests.kit.waiting import PATIENCE, eventually

KEY = "online/iris/blue"
SCRIPT = """
import os, time
def init(): pass
def run(data):
    time.sleep(0.002)
    return {"version": os.environ.get("VERSION"), "pid": os.getpid()}
"""


class Body(RequestBody):
    async def whole(self) -> bytes:
        return b"1"

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"1"


class WakingQueue(WorkQueue):
    """Does at once what the message's function would."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.workload: ServingWorkload | None = None
        self.sent = 0

    async def send(self, queue: str, *messages: Message) -> None:
        self.sent += len(messages)
        assert self.workload is not None
        await self.house.serving.ensure(replace(self.workload, instance_count=1))


class Gateway:
    def __init__(self, house: House, store: SqliteResourceStore) -> None:
        self.endpoints = Endpoints(store)
        self.queue = WakingQueue(house)
        self.scoring = scoring_on(
            RouteTable(store, SystemClock(), read_limit=PATIENCE, refresh=known),
            house.serving,
            house.compute.scorer,
            awakening=Waking(house.serving, self.queue, self.bring_up, Tally(), limit=PATIENCE),
        )

    async def bring_up(self, endpoint: str, deployment: str) -> ServingObservation | None:
        assert self.queue.workload is not None
        return await self.queue.house.serving.ensure(self.queue.workload)

    async def ask(self) -> Answer:
        headers = [("authorization", f"Bearer {PRIMARY}"), ("content-length", "1")]
        return await self.scoring.score(Call("iris", "POST", SCORE, "", headers, Body()))


@pytest.fixture
async def gateway(house: House, tmp_path: Path) -> AsyncIterator[Gateway]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    gateway = Gateway(house, store)
    await gateway.endpoints.put("iris", {"blue": 100})
    yield gateway
    await store.close()


def said(answer: Answer) -> dict[str, object]:
    assert isinstance(answer.body, bytes)
    found: dict[str, object] = json.loads(answer.body)
    return found


async def test_workers_are_processes_that_share_an_instance_s_requests(house: House) -> None:
    workload = replace(await house.workload(SCRIPT, instances=2), workers=3)
    ready = await house.serve(workload)
    assert (ready.ready, ready.wanted) == (2, 2)
    instances = house.serving.instances(KEY)
    assert sorted(i.id.split("-")[-2] for i in instances) == [
        f"{instance}.{worker}" for instance in range(2) for worker in range(3)
    ]
    shares = []
    for instance in instances:
        answer = await house.compute.premises.http.request(
            instance.address, "GET", "/load", timeout=PATIENCE
        )
        assert isinstance(answer.body, bytes)
        shares.append(json.loads(answer.body)["max_concurrent"])
    assert sorted(shares) == [1, 1, 1, 1, 2, 2]
    await house.serving.ensure(replace(workload, instance_count=1))
    assert len(house.serving.instances(KEY)) == 3


async def test_one_that_sleeps_wakes_for_a_crowd_without_a_failed_request(
    house: House, gateway: Gateway
) -> None:
    await gateway.endpoints.put_deployment(
        "iris", "blue", timeout=PATIENCE, may_sleep=True, max_concurrent=4
    )
    gateway.queue.workload = workload = await house.workload(SCRIPT)
    assert not (await house.serving.ensure(workload)).served
    await house.serve(workload)
    await house.serving.ensure(replace(workload, instance_count=0))
    seen = await house.serving.observe(KEY)
    assert seen is not None
    assert (seen.state, seen.ready, seen.serving) == (WorkloadState.READY, 0, False)
    assert seen.served
    answers = await asyncio.gather(*(gateway.ask() for _ in range(40)))
    assert [answer.status for answer in answers] == [200] * 40
    assert gateway.queue.sent == 1


async def test_a_change_and_a_scaling_down_under_load_fail_no_request(
    house: House, gateway: Gateway
) -> None:
    await gateway.endpoints.put_deployment("iris", "blue", timeout=PATIENCE, max_concurrent=4)
    old = await house.workload(SCRIPT, instances=2, variables={"VERSION": "old"})
    new = replace(
        old,
        revision="2",
        program=replace(old.program, environment_variables={"VERSION": "new"}),
    )
    await house.serve(old)
    codes: list[int] = []
    versions: list[object] = []
    changed = ended = False
    after_the_change: list[object] = []

    async def caller() -> None:
        while not ended:
            came_after = changed
            answer = await gateway.ask()
            codes.append(answer.status)
            version = said(answer).get("version")
            versions.append(version)
            if came_after:
                after_the_change.append(version)

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    await eventually(lambda: len(codes) > 50)
    await house.serving.ensure(new)
    await eventually(lambda: "new" in versions)
    changed = True
    await eventually(lambda: len(after_the_change) > 50)
    await house.serving.ensure(replace(new, instance_count=1))
    done = len(codes)
    await eventually(lambda: len(codes) > done + 100)
    ended = True
    await asyncio.gather(*callers)
    assert set(codes) == {200}
    assert set(after_the_change) == {"new"}
