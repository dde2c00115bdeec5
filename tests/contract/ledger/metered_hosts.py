"""Hosts that run instances as a test says, and count them; and what was run, by which the ledger
is checked."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from domain.batch.batch_kind import BatchKind
from domain.errors import Unavailable
from domain.jobs.records.job_store import JobStore
from domain.ledger.counting.account_finding import AccountFinding
from domain.ledger.counting.ledger_page import KIND, page_of
from domain.ledger.counting.life_counting import LifeCounting
from domain.online.online_kind import OnlineKind
from domain.ports import Document, ResourceStore, Write
from domain.ports.records.running_meter import RunningMeter
from domain.provisioning.endpoint_documents import EndpointDocuments
from infra.compute.local.instances.life_meter import LifeMeter, Payer, RunningLife
from infra.compute.remote.keeping.node_meter import NodeMeter, NodeUse
from tests.kit.clocks import HeldClock
from tests.kit.composed import SCOPE
from tests.kit.waiting import PATIENCE

KEEP = timedelta(days=400)


class UnsureStore:
    """A store whose transactions fail now and then, before or after they hold."""

    def __init__(self, store: ResourceStore, rng: random.Random, chance: float) -> None:
        self._store = store
        self._rng = rng
        self.chance = chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        if self._rng.random() < self.chance:
            raise Unavailable("It did not come to it.")
        written = await self._store.transact(partition, writes)
        if self._rng.random() < self.chance:
            raise Unavailable("Its answer was lost.")
        return written


def counting(store: Any, meter: RunningMeter, clock: HeldClock) -> LifeCounting:
    """A host's, which counts when the test says so."""
    online = EndpointDocuments(store, SCOPE, OnlineKind.types)
    batch = EndpointDocuments(store, SCOPE, BatchKind.types)
    accounts = AccountFinding(online, batch, JobStore(store), clock)
    return LifeCounting(store, meter, accounts, period=PATIENCE, keep=KEEP)


async def counted(store: ResourceStore) -> dict[tuple[str, str], float]:
    """Seconds by day and deployment or job, as the pages of the store add up to them."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    continuation: str | None = None
    while True:
        found = await store.query(KIND, continuation=continuation)
        for document in found.documents:
            page = page_of(document)
            for line in page.lines:
                sums[page.day, line.deployment or line.job] += line.seconds
        continuation = found.continuation
        if continuation is None:
            return dict(sums)


@dataclass
class Ran:
    deployment: str
    since: float
    until: float | None = None


@dataclass
class OwnHost:
    """One whose instances end with it."""

    store: Any
    clock: HeldClock
    lives: dict[RunningLife, Ran] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meter = LifeMeter(self.clock.unix)
        self.counting = counting(self.store, self.meter, self.clock)

    def start(self, deployment: str) -> Ran:
        life = self.meter.begin(Payer(lambda: f"online/iris/{deployment}"))
        ran = self.lives[life] = Ran(deployment, self.clock.time)
        return ran

    def stop(self, life: RunningLife) -> None:
        life.end()
        self.lives.pop(life).until = self.clock.time

    def killed(self) -> None:
        for ran in self.lives.values():
            ran.until = self.clock.time
        self.lives.clear()


@dataclass
class Platform:
    """Nodes that go on whatever becomes of hosts."""

    clock: HeldClock
    nodes: dict[str, Ran] = field(default_factory=dict)
    made: int = 0

    def start(self, deployment: str) -> Ran:
        self.made += 1
        ran = self.nodes[f"n{self.made}"] = Ran(deployment, self.clock.time)
        return ran

    def stop(self, node: str) -> None:
        self.nodes.pop(node).until = self.clock.time

    def shown_to(self, meter: NodeMeter) -> None:
        meter.look(
            [NodeUse(id, f"online/iris/{ran.deployment}", 1.0) for id, ran in self.nodes.items()]
        )


def by_day(ran: Sequence[Ran], now: float, day_of: Callable[[float], date]) -> dict[Any, float]:
    """A replay: seconds by day and deployment."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for each in ran:
        end = now if each.until is None else each.until
        at = each.since
        while at < end:
            until = min(end, (at // 86400 + 1) * 86400)
            sums[day_of(at).isoformat(), each.deployment] += until - at
            at = until
    return dict(sums)
