"""Workers of batch jobs on a fleet, for every host that shares the store."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from domain.errors import StaleETag, Unsupported
from domain.ports import (
    InstanceLost,
    LogKind,
    Observation,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
)
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.fleet import Fleet
from infra.compute.remote.node_logs import NodeLogs
from infra.compute.remote.remote_scorer import SECRET
from infra.compute.remote.remote_serving import Sealing
from infra.compute.remote.workers.known_pools import FRESH, KnownPools
from infra.compute.remote.workers.pool_record import PoolRecord, pool_name
from infra.compute.remote.workers.pool_records import PoolRecords
from infra.compute.remote.workers.remote_attempts import RemoteAttempts
from infra.compute.remote.workers.unit_turns import UnitTurns

_QUICK: Final = 5.0


class RemoteWorkers(Workers):
    """A wish is a document, which the keeper (whichever host that is) works towards. `begin` is
    called before anything is asked for, `changed` after a wish. Who has signed for what units are
    lent says `authority`."""

    def __init__(
        self,
        records: PoolRecords,
        fleet: Fleet,
        http: UnixHttp,
        sealing: Sealing,
        authority: Callable[[], Awaitable[str]],
        *,
        begin: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._records = records
        self._fleet = fleet
        self._http = http
        self._sealing = sealing
        self._authority = authority
        self._begin = begin
        self._changed = changed
        self._turns: dict[str, UnitTurns] = {}
        self.known = KnownPools(records, self._update, lambda: self._attempts.are_under_way)
        self._attempts = RemoteAttempts(http, self.known, self._turns_of, sealing.unseal, authority)
        self._logs = NodeLogs(http)

    async def close(self) -> None:
        """Nodes go on."""
        await self._attempts.close()
        await self.known.close()

    # -- Workers

    @property
    def holder(self) -> str | None:
        return None

    async def ensure(self, workload: WorkersWorkload) -> Observation:
        self._begin()
        if workload.output is not None:
            raise Unsupported(
                "Jobs whose scripts write to a folder of their own (summary_only) do not run in "
                "containers yet."
            )
        if workload.worker_count:
            await self._authority()  # what it raises is told of the job
        secret = self._sealing.seal(secrets.token_urlsafe(32))
        now, name = time.time(), pool_name(workload)

        def joined(before: PoolRecord | None) -> PoolRecord:
            return (before or PoolRecord.begin(workload, secret)).joined(workload, secret, now)

        record = await self._records.change(name, joined)
        for other in await self._pools_of(workload.key):
            if other.name != name:
                await self._leave(other, workload.key)
        seen = record.observation(workload.key) if record is not None else None
        if record is None or seen is None:
            raise StaleETag(f"{workload.key} was removed meanwhile")
        self.known.learn(record)
        self._changed()
        return seen

    async def observe(self, key: str) -> Observation | None:
        self._begin()
        await self.known.refresh(within=FRESH)
        record = self.known.of(key)
        return record.observation(key) if record is not None else None

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        self._begin()
        for record in await self._pools_of(key):
            await self._leave(record, key)
        self._changed()
        return True

    async def keys(self) -> Sequence[str]:
        self._begin()
        return sorted({m.key for record in await self._records.all() for m in record.members})

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        await self.known.refresh(within=FRESH)
        record = self.known.of(key)
        member = record.member(key) if record is not None else None
        if record is None or member is None:
            return ""
        nodes = [n for n in await self._fleet.nodes() if n.group == record.group]
        secret = self._sealing.unseal(record.secret)
        since = datetime.fromtimestamp(member.since, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        lines = await self._logs.lines(nodes, secret, kind, tail)
        if kind is LogKind.STORAGE_INITIALIZER:
            story = await self._fleet.story(record.group, record.program, tail=tail)
            text = [*story.splitlines(), *(line.text for line in lines)]
        else:
            ended = await self._fleet.logs(record.group, tail=tail) if record.has_failed else ""
            text = [*ended.splitlines(), *(str(e) for e in lines if e.time >= since)]
        return "\n".join(text[-tail:])

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        self._begin()
        return await self._attempts.run(key, request, wait)

    # -- inside

    def _turns_of(self, pool: str) -> UnitTurns:
        turns = self._turns.get(pool)
        if turns is None:
            turns = self._turns[pool] = UnitTurns()
        return turns

    def _update(self, name: str, record: PoolRecord | None) -> None:
        if record is not None:
            self._turns_of(name).update(record)
        elif (turns := self._turns.pop(name, None)) is not None:
            turns.update(None)

    async def _pools_of(self, key: str) -> list[PoolRecord]:
        return [r for r in await self._records.all() if r.member(key) is not None]

    async def _leave(self, record: PoolRecord, key: str) -> None:
        """The job is over there: nothing of it is begun any more, and what runs is ended."""
        after = await self._records.change(record.name, lambda now: now and now.left(key))
        if after is not None:
            self.known.learn(after)
        member = record.member(key)
        if member is None or not member.wanted:
            return
        secret = self._sealing.unseal(record.secret)
        await asyncio.gather(
            *(self._end(node.address, secret, key) for node in (after or record).nodes)
        )

    async def _end(self, address: str, secret: str, key: str) -> None:
        with suppress(InstanceLost, TimeoutError):
            target = f"/node/jobs/{quote(key, safe='')}"
            await self._http.request(address, "DELETE", target, [(SECRET, secret)], timeout=_QUICK)
