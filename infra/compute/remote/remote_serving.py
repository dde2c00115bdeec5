"""Online deployments on a fleet, for every host that shares the store."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.errors import DocumentExists, DocumentNotFound, StaleETag
from domain.ports import (
    Instance,
    LogKind,
    Serving,
    ServingObservation,
    ServingWorkload,
)
from infra.compute.ground.traces import current_trace
from infra.compute.remote.fleet import Fleet
from infra.compute.remote.node_logs import NodeLogs
from infra.compute.remote.ready_nodes import KnownNodes
from infra.compute.remote.roll_out import removed, wanted
from infra.compute.remote.serving_record import Revision, ServingRecord
from infra.compute.remote.serving_records import ServingRecords

_TRIES: Final = 5


@dataclass(frozen=True)
class Sealing:
    """How nodes' secrets are kept."""

    seal: Callable[[str], str]
    unseal: Callable[[str], str]


class RemoteServing(Serving):
    """A wish is a document, which the keeper (whichever host that is) works towards. `begin` is
    called before anything is asked for, `changed` after a wish."""

    def __init__(
        self,
        records: ServingRecords,
        known: KnownNodes,
        fleet: Fleet,
        logs: NodeLogs,
        sealing: Sealing,
        *,
        begin: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._records = records
        self._known = known
        self._fleet = fleet
        self._logs = logs
        self._sealing = sealing
        self._begin = begin
        self._changed = changed

    async def ensure(self, workload: ServingWorkload) -> ServingObservation:
        self._begin()
        secret = self._sealing.seal(secrets.token_urlsafe(32))
        new = Revision.begin(workload, secret, current_trace())
        record = await self._records.change(workload.key, lambda before: wanted(before, new))
        self._changed()
        seen = record.observation() if record else None
        if seen is None:
            raise StaleETag(f"{workload.key} was removed meanwhile")
        return seen

    async def observe(self, key: str) -> ServingObservation | None:
        self._begin()
        record, _ = await self._records.get(key)
        return record.observation() if record else None

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        self._begin()

        def going(before: ServingRecord | None) -> ServingRecord | None:
            return removed(before, grace.total_seconds()) if before else None

        if await self._records.change(key, going) is None:
            return True
        await self._leave_route(key)
        self._changed()
        return False

    async def _leave_route(self, key: str) -> None:
        for _ in range(_TRIES):
            try:
                await self._records.save_ready(key, None)
                break
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue  # and if others go on for ever, the keeper does it
        await self._known.refresh([key])

    async def keys(self) -> Sequence[str]:
        self._begin()
        return sorted(record.key for record in await self._records.all())

    def instances(self, key: str) -> Sequence[Instance]:
        return self._known.instances(key)

    async def refresh(self, keys: Sequence[str]) -> None:
        self._begin()
        await self._known.refresh(keys)

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        record, _ = await self._records.get(key)
        revision = record.newest if record else None
        if revision is None:
            return ""
        nodes = [node for node in await self._fleet.nodes() if node.group == revision.group]
        secret = self._sealing.unseal(revision.secret)
        lines = await self._logs.lines(nodes, secret, kind, tail)
        if kind is LogKind.STORAGE_INITIALIZER:
            story = await self._fleet.story(revision.group, revision.workload.program, tail=tail)
            text = [*story.splitlines(), *(line.text for line in lines)]
        else:
            ended = await self._fleet.logs(revision.group, tail=tail)
            text = [*ended.splitlines(), *map(str, lines)]
            if revision.workload.program.server is not None:
                text.sort(key=_time_of)  # the server's own lines stand among its agents'
        return "\n".join(text[-tail:])


def _time_of(line: str) -> str:
    """'' for a line that has none."""
    first = line.partition(" ")[0]
    return first if first.endswith("Z") and first[:4].isdecimal() else ""
