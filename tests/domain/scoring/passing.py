"""One endpoint, whose requests tests of the scoring path make: on a real store, with scripted
instances."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.ports import ScoringRequest
from domain.scoring.exchange_taps import Tap
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.outliers import Outliers
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.scoring_exchange import SCORE, Answer, Call, RequestBody
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock
from tests.kit.computes import StaticServing, known
from tests.kit.scorers import ScriptedScorer
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, WatchedStore, scoring_on
from tests.kit.waiting import PATIENCE


class Body(RequestBody):
    """A caller's body in the given pieces; an exception among them is raised in its place."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.read = 0

    async def whole(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            self.read += 1
            yield piece


async def pieces_of(*pieces: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece


@dataclass
class Stage:
    """One endpoint `iris` with `blue` at 90 % and `green` at 10 %, an instance each."""

    store: WatchedStore
    endpoints: Endpoints
    clock: HeldClock
    compute: StaticServing
    scorer: ScriptedScorer
    time: HeldClock

    def __post_init__(self) -> None:
        self.records: list[RequestRecord] = []
        self.instances = InstanceChoice(self.compute, Outliers())
        self.tap()

    def tap(self, *taps: Tap) -> None:
        """Have `taps` listen from here on, beside the records."""
        self.listen(self.records.append, taps=taps)

    def listen(self, *listeners: Listener, taps: Sequence[Tap] = ()) -> None:
        """Have only these listen from here on."""
        self.routes = RouteTable(self.store, self.clock, read_limit=PATIENCE, refresh=known)
        self.scoring = scoring_on(
            self.routes,
            self.compute,
            self.scorer,
            *listeners,
            taps=taps,
            instances=self.instances,
            max_request_bytes=1000_000,
        )

    async def score(
        self,
        body: bytes | RequestBody = b"",
        *,
        endpoint: str = "iris",
        headers: Iterable[tuple[str, str]] = (),
        key: str | None = PRIMARY,
        deployment: str | None = None,
        path: str = SCORE,
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        sent = list(headers)
        if key is not None:
            sent.append(("authorization", f"Bearer {key}"))
        if deployment is not None:
            sent.append(("azureml-model-deployment", deployment))
        if isinstance(body, bytes):
            if body:
                sent.append(("content-length", str(len(body))))
            body = Body(body)
        return await self.scoring.score(Call(endpoint, method, path, query, sent, body))

    @property
    def request(self) -> ScoringRequest:
        """The latest one that an instance got."""
        return self.scorer.asked[-1][1]

    @property
    def record(self) -> RequestRecord:
        """The only one so far."""
        [record] = self.records
        return record

    @property
    def under_way(self) -> int:
        return self.instances.under_way


@asynccontextmanager
async def opened(folder: Path, durations: HeldClock) -> AsyncIterator[Stage]:
    real = SqliteResourceStore(folder / "documents.db")
    store = WatchedStore(real)
    endpoints = Endpoints(store)
    await endpoints.put("iris", {"blue": 90, "green": 10})
    compute = StaticServing()
    for name in ("blue", "green"):
        await endpoints.put_deployment("iris", name)
        compute.start("iris", name)
    yield Stage(store, endpoints, HeldClock(), compute, ScriptedScorer(), durations)
    await real.close()


def header(answer: Answer, name: str) -> str | None:
    found = [value for key, value in answer.headers if key == name]
    assert len(found) < 2, f"{name} stands there {len(found)} times"
    return found[0] if found else None


def sent_header(request: ScoringRequest, name: str) -> list[str]:
    return [value for key, value in request.headers if key == name]
