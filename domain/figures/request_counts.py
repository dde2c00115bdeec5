"""Scoring requests counted by endpoint and deployment: what Prometheus, and figures over time,
are told of them.

A request costs a handful of increments. What has come since is folded into the totals, and handed
to whoever follows figures over time, when one of them asks.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping

from domain.figures.latency_bands import BOUNDS
from domain.scoring.request_record import Fault, RequestRecord, Streamed
from domain.scoring.scoring_refusals import CALLER_GONE

MAX_DEPLOYMENTS = 2000
MAX_STATUSES = 64
OTHER = -1
"""In place of a model's status, beyond so many of them: a script may answer with any number."""

_UNROUTED = frozenset({"", "EndpointNotFound", "ServiceUnavailable"})
"""What a request without a deployment ends with whose endpoint may not exist."""

Place = tuple[str, str]
"""An endpoint and a deployment; '' for none."""


def endpoint_of(record: RequestRecord) -> str:
    """The endpoint's name; empty where there may be none of that name, so that no caller can
    make up series."""
    return record.endpoint if record.deployment or record.reason not in _UNROUTED else ""


def failure_of(record: RequestRecord, fault: Fault) -> str:
    """In a word, why there was no good answer; one of few."""
    if record.reason:
        return record.reason
    if record.code == CALLER_GONE:
        return "CallerGone"
    if fault is Fault.GATEWAY:
        return "InternalServerError"
    return "ModelRefusal" if fault is Fault.CALLER else "ModelError"


def shown_status(status: int | None) -> str:
    """A model's, in a series' dimensions."""
    if status is None:
        return ""
    return "other" if status == OTHER else str(status)


class Latency:
    """Times in milliseconds, by band."""

    __slots__ = ("bands", "least", "most", "sum")

    def __init__(self) -> None:
        self.bands: dict[int, int] = {}
        self.sum = 0.0
        self.least = float("inf")
        self.most = 0.0

    def add(self, seconds: float) -> None:
        milliseconds = seconds * 1000
        bands, band = self.bands, bisect_left(BOUNDS, milliseconds)
        bands[band] = bands.get(band, 0) + 1
        self.sum += milliseconds
        # As min() and max() would, in a quarter of their time.
        if milliseconds < self.least:  # noqa: PLR1730
            self.least = milliseconds
        if milliseconds > self.most:  # noqa: PLR1730
            self.most = milliseconds

    def merge(self, other: "Latency") -> None:
        _merge(self.bands, other.bands)
        self.sum += other.sum
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    @property
    def count(self) -> int:
        return sum(self.bands.values())


class Streams:
    __slots__ = ("duration", "first_byte")

    def __init__(self) -> None:
        self.duration = Latency()
        self.first_byte = Latency()


class Counted:
    """Of one endpoint and deployment. `statuses` are by the caller's and the model's."""

    __slots__ = (
        "bytes",
        "failures",
        "latency",
        "model_latency",
        "non_finite",
        "statuses",
        "streams",
    )

    def __init__(self) -> None:
        self.statuses: dict[tuple[int, int | None], int] = {}
        self.failures: dict[tuple[str, Fault], int] = {}
        self.latency = Latency()
        self.model_latency = Latency()
        self.streams: Streams | None = None
        self.bytes = 0
        self.non_finite = 0

    def failed(self, record: RequestRecord, fault: Fault) -> None:
        failure = failure_of(record, fault), fault
        self.failures[failure] = self.failures.get(failure, 0) + 1

    def streamed(self, times: Streamed) -> None:
        if self.streams is None:
            self.streams = Streams()
        self.streams.duration.add(times.duration)
        if times.first_byte is not None:
            self.streams.first_byte.add(times.first_byte)

    def merge(self, other: "Counted") -> None:
        for (code, model), number in other.statuses.items():
            status = self.status(code, model)
            self.statuses[status] = self.statuses.get(status, 0) + number
        _merge(self.failures, other.failures)
        self.latency.merge(other.latency)
        self.model_latency.merge(other.model_latency)
        if other.streams is not None:
            if self.streams is None:
                self.streams = Streams()
            self.streams.duration.merge(other.streams.duration)
            self.streams.first_byte.merge(other.streams.first_byte)
        self.bytes += other.bytes
        self.non_finite += other.non_finite

    def status(self, code: int, model: int | None) -> tuple[int, int | None]:
        """Under which it is counted."""
        status = code, model
        if status not in self.statuses and len(self.statuses) >= MAX_STATUSES:
            return code, OTHER
        return status


class RequestCounts:
    """`record` is a `Listener`. What is held is bounded: of more than `most` deployments the one
    asked longest ago is forgotten, and begins at zero when it is asked again. One event loop owns
    it."""

    def __init__(self, most: int = MAX_DEPLOYMENTS) -> None:
        self._most = most
        self._fresh: dict[Place, Counted] = {}
        self._untaken: dict[Place, Counted] = {}
        self._totals: OrderedDict[Place, Counted] = OrderedDict()
        self._changed: Callable[[], None] | None = None

    def record(self, record: RequestRecord) -> None:
        key = endpoint_of(record), record.deployment
        counted = self._fresh.get(key)
        if counted is None:
            counted = self._first(key)
        code, model = record.code, record.model_status
        status = counted.status(code, model)
        counted.statuses[status] = counted.statuses.get(status, 0) + 1
        counted.latency.add(record.total_seconds)
        if model is not None:
            counted.model_latency.add(record.model_seconds)
        counted.bytes += record.request_bytes + record.response_bytes
        if code >= 400:
            fault = record.fault
            if fault is not None:
                counted.failed(record, fault)
        if record.streamed is not None:
            counted.streamed(record.streamed)
        if record.non_finite:
            counted.non_finite += 1

    def tell(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when something is counted after `take`; from now on what `take`
        gives is kept for it."""
        self._changed = changed

    def take(self) -> Mapping[Place, Counted]:
        """What has come since it was taken last."""
        self._fold()
        taken, self._untaken = self._untaken, {}
        return taken

    def totals(self) -> Mapping[Place, Counted]:
        """Everything since the start."""
        self._fold()
        return self._totals

    def _first(self, key: Place) -> Counted:
        if len(self._fresh) >= self._most:
            self._fold()
        if self._changed is not None and not self._untaken:
            self._changed()
        counted = self._fresh[key] = Counted()
        return counted

    def _fold(self) -> None:
        fresh, self._fresh = self._fresh, {}
        for key, counted in fresh.items():
            total = self._totals.get(key)
            if total is None:
                if len(self._totals) >= self._most:
                    self._totals.popitem(last=False)
                total = self._totals[key] = Counted()
            else:
                self._totals.move_to_end(key)
            total.merge(counted)
            if self._changed is None:
                continue
            untaken = self._untaken.get(key)
            if untaken is not None:
                untaken.merge(counted)
            elif len(self._untaken) < self._most:
                self._untaken[key] = counted


def _merge(mine: dict, others: Mapping) -> None:  # type: ignore[type-arg]  # of any one kind
    for name, number in others.items():
        mine[name] = mine.get(name, 0) + number
