"""Slow clients and huge bodies beside others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.ports import Instance, ScoringRequest, ScoringResponse
from domain.scoring.online_routing import RouteTable
from domain.scoring.scoring_bodies import SLOW_START, SLOWEST
from domain.scoring.scoring_exchange import SCORE, Answer, Call, RequestBody
from domain.scoring.uploads import FEWEST
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock, hold_durations
from tests.kit.computes import StaticServing, known
from tests.kit.scorers import ScriptedScorer, says
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, scoring_on
from tests.kit.waiting import PATIENCE, patience


class GatedBody(RequestBody):
    """A body of unknown length whose second half waits for the gate."""

    def __init__(self, gate: asyncio.Event) -> None:
        self.gate = gate

    async def whole(self) -> bytes:
        return b"1"

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"1"
        await self.gate.wait()
        yield b"2"


class Gateway:
    def __init__(self, store: SqliteResourceStore, time: HeldClock) -> None:
        self.time = time
        self.endpoints, compute = Endpoints(store), StaticServing()
        compute.start("iris", "blue", 2)
        self.begun = 0
        self.changed = asyncio.Event()
        self.gate = asyncio.Event()
        scorer = ScriptedScorer(self.takes_all)
        routes = RouteTable(store, HeldClock(), read_limit=PATIENCE, refresh=known)
        self.scoring = scoring_on(routes, compute, scorer)

    async def takes_all(self, instance: Instance, request: ScoringRequest) -> ScoringResponse:
        if not isinstance(request.body, bytes):
            async for _ in request.body:
                self.begun += 1
                self.changed.set()
        return says(body=b"1")

    async def has_begun(self, count: int) -> None:
        """Wait until so many large bodies are on their way."""
        async with patience():
            while self.begun < count:
                self.changed.clear()
                await self.changed.wait()

    async def ask(self, *, large: bool) -> Answer:
        headers = [("authorization", f"Bearer {PRIMARY}")]
        headers.append(("transfer-encoding", "chunked") if large else ("content-length", "1"))
        body = GatedBody(self.gate)
        return await self.scoring.score(Call("iris", "POST", SCORE, "", headers, body))


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    gateway = Gateway(store, hold_durations(monkeypatch))
    await gateway.endpoints.put("iris", {"blue": 100})
    await gateway.endpoints.put_deployment("iris", "blue", max_concurrent=3)
    yield gateway
    await store.close()


async def test_only_so_many_large_bodies_come_at_once_and_small_requests_go_on(
    gateway: Gateway,
) -> None:
    most = max(FEWEST, 2 * 3 * 2)
    uploads = [asyncio.create_task(gateway.ask(large=True)) for _ in range(most)]
    await gateway.has_begun(most)
    assert (await gateway.ask(large=False)).status == 200
    refused = await gateway.ask(large=True)
    assert refused.status == 429
    assert refused.refusal is not None
    assert refused.refusal.limit == {"large_bodies": most}
    gateway.gate.set()
    assert {(await upload).status for upload in uploads} == {200}
    assert (await gateway.ask(large=True)).status == 200


async def test_a_body_that_trickles_is_given_up(gateway: Gateway) -> None:
    upload = asyncio.create_task(gateway.ask(large=True))
    await gateway.has_begun(1)
    gateway.time.move(SLOW_START + 2 / SLOWEST + 1)
    gateway.gate.set()
    answer = await upload
    assert answer.status == 408
    assert answer.refusal is not None
    assert answer.refusal.limit == {"min_bytes_per_second": SLOWEST}
