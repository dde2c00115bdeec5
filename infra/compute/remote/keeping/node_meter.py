"""For how long nodes have been up, and for whom, as the host that decides sees it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.ports.records.running_meter import Life, Reading, RunningMeter


@dataclass(frozen=True)
class NodeUse:
    """Who has a node: the workload `key`, or of workers the jobs `busy`, which share it."""

    node: str
    key: str
    amount: float
    busy: tuple[str, ...] = ()


@dataclass
class _Seen:
    key: str
    amount: float
    since: float
    until: float
    over: bool = False
    busy: dict[str, float] = field(default_factory=dict)

    def life(self, id: str) -> Life:
        until = self.until if self.over else None
        return Life(id, self.key, self.amount, self.since, until, dict(self.busy))


class NodeMeter(RunningMeter):
    """`now` is in Unix seconds. Everything is as it was when nodes were last looked at. One event
    loop owns it."""

    is_shared = True

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: dict[str, _Seen] = {}
        self._at: float | None = None
        self._changed: Callable[[], None] = lambda: None

    def tell(self, changed: Callable[[], None], ended: Callable[[], Awaitable[None]]) -> None:
        """Nodes go on when a host ends."""
        self._changed = changed

    def look(self, used: Sequence[NodeUse]) -> None:
        """These are up now, and no others."""
        now, before = self._now(), self._at
        self._at = now
        there: Mapping[str, NodeUse] = {each.node: each for each in used}
        for id, each in there.items():
            seen = self._seen.get(id)
            if seen is None or seen.over:
                seen = self._seen[id] = _Seen(each.key, each.amount, now, now)
                self._changed()
            for job in each.busy if before is not None else ():
                part = max(now - seen.until, 0.0) * each.amount / len(each.busy)
                seen.busy[job] = seen.busy.get(job, 0.0) + part
            seen.key = each.busy[0] if each.busy else each.key or seen.key
            seen.amount, seen.until = each.amount, max(now, seen.until)
        for id, seen in self._seen.items():
            if id not in there and not seen.over:
                seen.over, seen.until = True, max(now, seen.until)
                self._changed()

    def stand_by(self) -> None:
        """Another host decides."""
        self._seen.clear()
        self._at = None

    @property
    def has_any(self) -> bool:
        return bool(self._seen)

    def read(self) -> Reading | None:
        if self._at is None:
            return None
        return Reading(self._at, [seen.life(id) for id, seen in self._seen.items()])

    def kept(self, reading: Reading) -> None:
        for told in reading.lives:
            seen = self._seen.get(told.id)
            if told.until is not None and seen is not None and seen.over:
                del self._seen[told.id]
