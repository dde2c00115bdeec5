"""Scoring requests counted by endpoint and deployment, under Azure Monitor's names, as
Prometheus reads them.

A counter or histogram here is what Azure Monitor takes per minute: `rate(...[1m]) * 60` of
`RequestsPerMinute`, `histogram_quantile` of `RequestLatency` for its P50 to P99.
"""

from collections.abc import Iterator, Mapping, Sequence

from domain.figures.latency_bands import COARSE, COARSE_LONG, up_to
from domain.figures.request_counts import (
    Counted,
    Latency,
    Place,
    RequestCounts,
    shown_status,
)
from infra.telemetry.prometheus_text import head, line

_ENDPOINT = "online_endpoint"
_DEPLOYMENT = "online_deployment"


class RequestMetrics:
    def __init__(self, counts: RequestCounts) -> None:
        self._counts = counts

    def text(self) -> str:
        """Everything counted, in Prometheus' text format."""
        return "".join(f"{each}\n" for each in _lines(self._counts.totals()))


def _lines(counted_by_place: Mapping[Place, Counted]) -> Iterator[str]:
    name = f"{_ENDPOINT}_RequestsPerMinute_total"
    yield from head(name, "counter", "Requests answered, by status; Count per minute.")
    for (endpoint, deployment), counted in counted_by_place.items():
        for (code, model), number in counted.statuses.items():
            yield line(
                name,
                {
                    "endpoint": endpoint,
                    "deployment": deployment,
                    "statusCode": str(code),
                    "statusCodeClass": f"{code // 100}xx",
                    "modelStatusCode": shown_status(model),
                },
                number,
            )
    name = f"{_ENDPOINT}_RequestLatency_milliseconds"
    yield from head(name, "histogram", "From a request's arrival to its answer's end.")
    for key, counted in counted_by_place.items():
        yield from _histogram(name, _names(key), counted.latency)
    yield from _failures(counted_by_place)
    yield from _streams(counted_by_place)
    name = f"{_ENDPOINT}_NetworkBytes_total"
    yield from head(name, "counter", "Bytes of requests' and answers' bodies.")
    for key, counted in counted_by_place.items():
        yield line(name, _names(key), counted.bytes)
    name = f"{_DEPLOYMENT}_RequestsPerMinute_total"
    yield from head(name, "counter", "Answers of instances, by status; Count per minute.")
    for key, counted in counted_by_place.items():
        for model, number in _by_model(counted).items():
            labels = {**_names(key), "envoy_response_code": shown_status(model)}
            yield line(name, labels, number)
    name = f"{_DEPLOYMENT}_RequestLatency_milliseconds"
    yield from head(name, "histogram", "The wait for the head of an instance's answer.")
    for key, counted in counted_by_place.items():
        if key[1]:
            yield from _histogram(name, _names(key), counted.model_latency)
    name = f"{_DEPLOYMENT}_NonFiniteAnswers_total"
    yield from head(name, "counter", "Answers with null where the model gave NaN or infinity.")
    for key, counted in counted_by_place.items():
        if counted.non_finite:
            yield line(name, _names(key), counted.non_finite)


def _failures(counted_by_place: Mapping[Place, Counted]) -> Iterator[str]:
    name = f"{_ENDPOINT}_RequestFailures_total"
    yield from head(name, "counter", "Requests without a good answer, by why and whose fault.")
    for key, counted in counted_by_place.items():
        for (why, fault), number in counted.failures.items():
            yield line(name, {**_names(key), "reason": why, "fault": fault.value}, number)


def _streams(counted_by_place: Mapping[Place, Counted]) -> Iterator[str]:
    streams = [(k, c.streams) for k, c in counted_by_place.items() if c.streams is not None]
    name = f"{_ENDPOINT}_TimeToFirstByte_milliseconds"
    told = "From a request's arrival to the first byte of its streamed answer."
    yield from head(name, "histogram", told)
    for key, each in streams:
        yield from _histogram(name, _names(key), each.first_byte)
    name = f"{_ENDPOINT}_StreamDuration_milliseconds"
    yield from head(name, "histogram", "From a streamed answer's head to its end.")
    for key, each in streams:
        yield from _histogram(name, _names(key), each.duration, COARSE_LONG)


def _by_model(counted: Counted) -> dict[int, int]:
    numbers: dict[int, int] = {}
    for (_, model), number in counted.statuses.items():
        if model is not None:
            numbers[model] = numbers.get(model, 0) + number
    return numbers


def _names(key: Place) -> dict[str, str]:
    return {"endpoint": key[0], "deployment": key[1]}


def _histogram(
    name: str, labels: Mapping[str, str], latency: Latency, bounds: Sequence[float] = COARSE
) -> Iterator[str]:
    numbers = up_to(latency.bands, bounds)
    for bound, number in zip((*bounds, None), numbers, strict=True):
        le = "+Inf" if bound is None else f"{bound:g}"
        yield line(f"{name}_bucket", {**labels, "le": le}, number)
    yield line(f"{name}_sum", labels, round(latency.sum, 3))
    yield line(f"{name}_count", labels, numbers[-1])
