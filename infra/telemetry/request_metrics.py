"""Scoring requests counted by endpoint and deployment, under Azure Monitor's names, as
Prometheus reads them.

A counter or histogram here is what Azure Monitor takes per minute: `rate(...[1m]) * 60` of
`RequestsPerMinute`, `histogram_quantile` of `RequestLatency` for its P50 to P99.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from domain.scoring.request_record import RequestRecord
from infra.telemetry.prometheus_text import head, line

BUCKETS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 180000)
"""Upper bounds of latencies, in milliseconds."""

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


class Latency:
    """A histogram in milliseconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        milliseconds = seconds * 1000
        self.counts[bisect_left(BUCKETS, milliseconds)] += 1
        self.sum += milliseconds


class _Counted:
    __slots__ = ("bytes", "latency", "model_latency", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[tuple[int, int | None], int] = {}
        self.latency = Latency()
        self.model_latency = Latency()
        self.bytes = 0


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
    for bound, number in zip((*BUCKETS, None), latency.counts, strict=True):
        total += number
        le = "+Inf" if bound is None else f"{bound:g}"
        yield line(f"{name}_bucket", {**labels, "le": le}, total)
    yield line(f"{name}_sum", labels, round(latency.sum, 3))
    yield line(f"{name}_count", labels, total)
