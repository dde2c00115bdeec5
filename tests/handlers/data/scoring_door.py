"""The endpoint `iris` behind a real server on a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from domain.ports import ScoringRequest, ScoringResponse
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.outliers import Outliers
from domain.scoring.request_record import RequestRecord
from tests.kit.clocks import HeldClock
from tests.kit.computes import StaticServing, known
from tests.kit.scorers import ScriptedScorer, says
from tests.kit.stages.scoring_stage import PRIMARY, WatchedStore, scoring_on
from tests.kit.waiting import PATIENCE

LIMIT = 1_000_000
AUTHORIZATION = {"Authorization": f"Bearer {PRIMARY}"}
SCORE = "/endpoints/iris/score"


class Stage:
    """The endpoint `iris` with one deployment `blue`, behind a real server on a socket."""

    def __init__(self, store: WatchedStore) -> None:
        self.scorer = ScriptedScorer()
        self.compute = StaticServing()
        self.store = store
        self.records: list[RequestRecord] = []
        self.recorded = asyncio.Event()
        self.instances = InstanceChoice(self.compute, Outliers())
        self.scoring = scoring_on(
            RouteTable(store, HeldClock(), read_limit=PATIENCE, refresh=known),
            self.compute,
            self.scorer,
            self._record,
            instances=self.instances,
            max_request_bytes=LIMIT,
        )
        self.port = 0
        self.client: httpx.AsyncClient

    def _record(self, record: RequestRecord) -> None:
        self.records.append(record)
        self.recorded.set()

    async def record(self) -> RequestRecord:
        """The first one, once it is there."""
        await asyncio.wait_for(self.recorded.wait(), PATIENCE)
        return self.records[0]

    @property
    def under_way(self) -> int:
        return self.instances.under_way

    def answers_with(self, take: Callable[[ScoringRequest], Awaitable[ScoringResponse]]) -> None:
        self.scorer.script = lambda instance, request: take(request)

    @asynccontextmanager
    async def connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    def head(self, *lines: str) -> bytes:
        first = (
            "POST /endpoints/iris/score HTTP/1.1",
            "Host: h",
            f"Authorization: Bearer {PRIMARY}",
        )
        return ("\r\n".join((*first, *lines)) + "\r\n\r\n").encode()


async def drain(request: ScoringRequest) -> ScoringResponse:
    if not isinstance(request.body, bytes):
        async for _ in request.body:
            pass
    return says()
