"""Workers of batch jobs on a fleet, for every host that shares the store."""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from domain.errors import StaleETag, Unavailable
from domain.ports import (
    BlobFolder,
    BlobStore,
    InstanceLost,
    LogKind,
    Observation,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
)
from infra.compute.http.unix_http import UnixHttp
from infra.compute.node_lending import NodeLending
from infra.compute.remote.fleet import Fleet
from infra.compute.remote.node_logs import NodeLogs
from infra.compute.remote.remote_scorer import SECRET
from infra.compute.remote.remote_serving import Sealing
from infra.compute.remote.workers.known_pools import FRESH, KnownPools
from infra.compute.remote.workers.own_files import OwnFiles
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord, pool_name
from infra.compute.remote.workers.pool_records import PoolRecords
from infra.compute.remote.workers.remote_attempts import RemoteAttempts
from infra.compute.remote.workers.told_rows import ToldRows
from infra.compute.remote.workers.unit_turns import UnitTurns

_log = logging.getLogger("ml_endpoints.remote")

_QUICK: Final = 5.0
_LONGEST_PARTING: Final = 15.0
"""Seconds for scripts to end, when their job is over."""


class RemoteWorkers(Workers):
    """A wish is a document, which the keeper (whichever host that is) works towards. `begin` is
    called before anything is asked for, `changed` after a wish. What units are lent is
    `lending`."""

    def __init__(
        self,
        records: PoolRecords,
        fleet: Fleet,
        http: UnixHttp,
        sealing: Sealing,
        blobs: BlobStore,
        lending: NodeLending,
        *,
        begin: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._records = records
        self._fleet = fleet
        self._http = http
        self._sealing = sealing
        self._lending = lending
        self._begin = begin
        self._changed = changed
        self._turns: dict[str, UnitTurns] = {}
        self.known = KnownPools(records, self._update, lambda: self._attempts.are_under_way)
        self._files = OwnFiles(http, blobs)
        self._attempts = RemoteAttempts(
            http,
            self.known,
            self._turns_of,
            sealing.unseal,
            lending,
            self._files,
            ToldRows(blobs),
        )
        self._logs = NodeLogs(http)
        self._parting: dict[str, float] = {}

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
        if workload.worker_count:
            await self._lending.authority()  # what it raises is told of the job
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
            if record.output is not None and not await self._parted(record, record.output, key):
                return False
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

    async def begin_units(self, key: str, requests: Sequence[UnitRequest]) -> None:
        self._begin()
        self._attempts.begin(key, requests)

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

    async def _parted(self, record: PoolRecord, output: BlobFolder, key: str) -> bool:
        """Whether its scripts have ended, and all that they wrote by themselves is in the store.
        A node that does not answer has nothing more to give."""
        secret = self._sealing.unseal(record.secret)
        began = self._parting.setdefault(record.name, time.monotonic())
        told = await asyncio.gather(
            *(self._part(node, secret, output, key) for node in record.nodes)
        )
        if not all(told) and time.monotonic() - began < _LONGEST_PARTING:
            return False
        self._parting.pop(record.name, None)
        return True

    async def _part(self, node: PoolNode, secret: str, output: BlobFolder, key: str) -> bool:
        headers = [(SECRET, secret)]
        try:
            await self._http.request(node.address, "POST", "/node/drain", headers, timeout=_QUICK)
            await self._end(node.address, secret, key)
            answer = await self._http.request(
                node.address, "GET", "/node/state", headers, timeout=_QUICK
            )
            body = answer.body
            if isinstance(body, bytes) and not json.loads(body).get("over", True):
                return False
        except (InstanceLost, TimeoutError, ValueError):
            return True
        try:
            await self._files.publish(node, secret, output)
        except Unavailable as error:
            _log.warning("The last files of %s are lost: %s", key, error)
        return True

    async def _end(self, address: str, secret: str, key: str) -> None:
        with suppress(InstanceLost, TimeoutError):
            target = f"/node/jobs/{quote(key, safe='')}"
            await self._http.request(address, "DELETE", target, [(SECRET, secret)], timeout=_QUICK)
