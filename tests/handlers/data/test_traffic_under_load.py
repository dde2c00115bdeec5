"""Blue/green by PATCH while requests come, with two hosts on one set of services."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from domain.ports import Instance, ScoringRequest, ScoringResponse
from tests.kit.clocks import BusyClock
from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import Gateways, opened
from tests.kit.waiting import eventually, patience

CALLERS = 8
ROUNDS = 8


async def test_traffic_moves_back_and_forth_and_no_request_fails(tmp_path: Path) -> None:
    async with opened(tmp_path, clock=BusyClock(0.005)) as gateways:
        await gateways.iris("blue", "green")
        await gateways.patch(traffic={"blue": 100})
        await _shift_under_load(gateways)


async def _shift_under_load(gateways: Gateways) -> None:
    async def answer(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        await asyncio.sleep(0)
        return says(200, instance.id.encode())

    gateways.scorer.script = answer
    seen: Counter[tuple[int, bytes]] = Counter()
    over = asyncio.Event()

    async def calls(number: int) -> None:
        while not over.is_set():
            reply = await gateways.all[number % 2].score()
            seen[reply.status_code, reply.content] += 1

    callers = [asyncio.create_task(calls(number)) for number in range(CALLERS)]
    moves: list[dict[str, Any]] = [
        {"traffic": {"blue": 50, "green": 50}},
        {"traffic": {"blue": 0, "green": 100}},
        {"traffic": {"blue": 100, "green": 0}, "mirrorTraffic": {"green": 50}},
        {"mirrorTraffic": {"green": 0}},
    ]

    async def more(requests: int) -> None:
        wanted = sum(seen.values()) + requests
        await eventually(lambda: sum(seen.values()) >= wanted, "more requests")

    for number in range(ROUNDS):
        await more(30)
        reply = await gateways.patch(**moves[number % len(moves)])
        assert reply.status_code == 202, reply.text
        if number % len(moves) == 1:
            rolled = await gateways.other.arm("POST", "onlineEndpoints/iris/rollBack")
            assert rolled.status_code == 200
            await gateways.settle()
    over.set()
    async with patience():
        await asyncio.gather(*callers)
    await gateways.store_counts()
    assert {code for code, _ in seen} == {200}, seen
    assert {body for _, body in seen} == {b"blue", b"green"}
