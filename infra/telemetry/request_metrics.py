"""Scoring requests counted by endpoint and deployment, under Azure Monitor's names, as
Prometheus reads them.

A counter or histogram here is what Azure Monitor takes per minute: `rate(...[1m]) * 60` of
`RequestsPerMinute`, `histogram_quantile` of `RequestLatency` for its P50 to P99.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from domain.scoring.request_record import Fault, RequestRecord, Streamed
from domain.scoring.scoring_refusals import CALLER_GONE
from infra.telemetry.prometheus_text import head, line

BUCKETS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 180000)
"""Upper bounds of latencies, in milliseconds."""
LONG_BUCKETS = (*BUCKETS, 600000, 1800000, 3600000, 14400000)
"""Those of streams, which may take as long as they need."""

MAX_DEPLOYMENTS = 2000
MAX_STATUSES = 64

_UNROUTED = frozenset({"", "EndpointNotFound", "ServiceUnavailable"})
"""What a request without a deployment ends with whose endpoint may not exist."""

_ENDPOINT = "online_endpoint"
_DEPLOYMENT = "online_deployment"
_OTHER = -1


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


class Latency:
    """A histogram in milliseconds, of `bounds`."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = BUCKETS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        milliseconds = seconds * 1000
        self.counts[bisect_left(self.bounds, milliseconds)] += 1
        self.sum += milliseconds


class _Streams:
    __slots__ = ("duration", "first_byte")

    def __init__(self) -> None:
        self.duration = Latency(LONG_BUCKETS)
        self.first_byte = Latency()


class _Counted:
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
        self.streams: _Streams | None = None
        self.bytes = 0
        self.non_finite = 0

    def failed(self, record: RequestRecord, fault: Fault) -> None:
        failure = failure_of(record, fault), fault
        self.failures[failure] = self.failures.get(failure, 0) + 1

    def streamed(self, times: Streamed) -> None:
        if self.streams is None:
            self.streams = _Streams()
        self.streams.duration.add(times.duration)
        if times.first_byte is not None:
            self.streams.first_byte.add(times.first_byte)


class RequestMetrics:
    """`record` is a `Listener`. What is held is bounded: beyond MAX_DEPLOYMENTS the
    deployment asked longest ago is forgotten, and begins at zero when it is asked again."""

    def __init__(self, most: int = MAX_DEPLOYMENTS) -> None:
        self._most = most
        self._counted: OrderedDict[tuple[str, str], _Counted] = OrderedDict()

    def record(self, record: RequestRecord) -> None:
        key = endpoint_of(record), record.deployment
        counted = self._counted.get(key)
        if counted is None:
            if len(self._counted) >= self._most:
                self._counted.popitem(last=False)
            counted = self._counted[key] = _Counted()
        else:
            self._counted.move_to_end(key)
        status = record.code, record.model_status
        if status not in counted.statuses and len(counted.statuses) >= MAX_STATUSES:
            status = record.code, _OTHER  # a script may answer with any number
        counted.statuses[status] = counted.statuses.get(status, 0) + 1
        counted.latency.add(record.total_seconds)
        if record.model_status is not None:
            counted.model_latency.add(record.model_seconds)
        counted.bytes += record.request_bytes + record.response_bytes
        if record.code >= 400:
            fault = record.fault
            if fault is not None:
                counted.failed(record, fault)
        if record.streamed is not None:
            counted.streamed(record.streamed)
        if record.non_finite:
            counted.non_finite += 1

    def text(self) -> str:
        """Everything counted, in Prometheus' text format."""
        return "".join(f"{each}\n" for each in self._lines())

    def _lines(self) -> Iterator[str]:
        name = f"{_ENDPOINT}_RequestsPerMinute_total"
        yield from head(name, "counter", "Requests answered, by status; Count per minute.")
        for (endpoint, deployment), counted in self._counted.items():
            for (code, model), number in counted.statuses.items():
                yield line(
                    name,
                    {
                        "endpoint": endpoint,
                        "deployment": deployment,
                        "statusCode": str(code),
                        "statusCodeClass": f"{code // 100}xx",
                        "modelStatusCode": _status(model),
                    },
                    number,
                )
        name = f"{_ENDPOINT}_RequestLatency_milliseconds"
        yield from head(name, "histogram", "From a request's arrival to its answer's end.")
        for key, counted in self._counted.items():
            yield from _histogram(name, _names(key), counted.latency)
        yield from self._failures()
        yield from self._streams()
        name = f"{_ENDPOINT}_NetworkBytes_total"
        yield from head(name, "counter", "Bytes of requests' and answers' bodies.")
        for key, counted in self._counted.items():
            yield line(name, _names(key), counted.bytes)
        name = f"{_DEPLOYMENT}_RequestsPerMinute_total"
        yield from head(name, "counter", "Answers of instances, by status; Count per minute.")
        for key, counted in self._counted.items():
            for model, number in _by_model(counted).items():
                labels = {**_names(key), "envoy_response_code": _status(model)}
                yield line(name, labels, number)
        name = f"{_DEPLOYMENT}_RequestLatency_milliseconds"
        yield from head(name, "histogram", "The wait for the head of an instance's answer.")
        for key, counted in self._counted.items():
            if key[1]:
                yield from _histogram(name, _names(key), counted.model_latency)
        name = f"{_DEPLOYMENT}_NonFiniteAnswers_total"
        yield from head(name, "counter", "Answers with null where the model gave NaN or infinity.")
        for key, counted in self._counted.items():
            if counted.non_finite:
                yield line(name, _names(key), counted.non_finite)

    def _failures(self) -> Iterator[str]:
        name = f"{_ENDPOINT}_RequestFailures_total"
        yield from head(name, "counter", "Requests without a good answer, by why and whose fault.")
        for key, counted in self._counted.items():
            for (why, fault), number in counted.failures.items():
                yield line(name, {**_names(key), "reason": why, "fault": fault.value}, number)

    def _streams(self) -> Iterator[str]:
        streams = [(k, c.streams) for k, c in self._counted.items() if c.streams is not None]
        name = f"{_ENDPOINT}_TimeToFirstByte_milliseconds"
        told = "From a request's arrival to the first byte of its streamed answer."
        yield from head(name, "histogram", told)
        for key, each in streams:
            yield from _histogram(name, _names(key), each.first_byte)
        name = f"{_ENDPOINT}_StreamDuration_milliseconds"
        yield from head(name, "histogram", "From a streamed answer's head to its end.")
        for key, each in streams:
            yield from _histogram(name, _names(key), each.duration)


def _by_model(counted: _Counted) -> dict[int, int]:
    numbers: dict[int, int] = {}
    for (_, model), number in counted.statuses.items():
        if model is not None:
            numbers[model] = numbers.get(model, 0) + number
    return numbers


def _names(key: tuple[str, str]) -> dict[str, str]:
    return {"endpoint": key[0], "deployment": key[1]}


def _status(status: int | None) -> str:
    if status is None:
        return ""
    return "other" if status == _OTHER else str(status)


def _histogram(name: str, labels: Mapping[str, str], latency: Latency) -> Iterator[str]:
    total = 0
    for bound, number in zip((*latency.bounds, None), latency.counts, strict=True):
        total += number
        le = "+Inf" if bound is None else f"{bound:g}"
        yield line(f"{name}_bucket", {**labels, "le": le}, total)
    yield line(f"{name}_sum", labels, round(latency.sum, 3))
    yield line(f"{name}_count", labels, total)
