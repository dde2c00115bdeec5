"""Scoring requests as series over time."""

from collections.abc import Callable, Iterable, Iterator

from domain.figures.request_counts import Counted, Latency, RequestCounts, shown_status
from domain.ground.counting.tally import deployment_subject, endpoint_subject
from domain.ports.records.figure_store import Amounts, Series, counted

BYTES_MOVED = "BytesMoved"
"""Of one deployment, for what it costs: NetworkBytes are of its endpoint."""

Taken = tuple[Series, Amounts]


class RequestFigures:
    """A `Source`."""

    def __init__(self, counts: RequestCounts) -> None:
        self._counts = counts

    def tell(self, changed: Callable[[], None]) -> None:
        self._counts.tell(changed)

    def take(self) -> Iterable[Taken]:
        for (endpoint, deployment), each in self._counts.take().items():
            if not endpoint:
                # What nobody's name is for belongs to no endpoint: Prometheus has it.
                continue
            yield from _of_endpoint(endpoint_subject(endpoint), deployment, each)
            if deployment:
                yield from _of_deployment(deployment_subject(endpoint, deployment), each)


def _of_endpoint(subject: str, deployment: str, each: Counted) -> Iterator[Taken]:
    for (code, model), number in each.statuses.items():
        dimensions = deployment, str(code), shown_status(model)
        yield Series(subject, "RequestsPerMinute", dimensions), counted(number)
    yield Series(subject, "RequestLatency", (deployment,)), _times(each.latency)
    yield Series(subject, "NetworkBytes"), counted(each.bytes)
    yield Series(subject, BYTES_MOVED, (deployment,)), counted(each.bytes)
    for (reason, fault), number in each.failures.items():
        dimensions = deployment, reason, fault.value
        yield Series(subject, "RequestFailures", dimensions), counted(number)
    if each.streams is not None:
        yield Series(subject, "TimeToFirstByte", (deployment,)), _times(each.streams.first_byte)
        yield Series(subject, "StreamDuration", (deployment,)), _times(each.streams.duration)


def _of_deployment(subject: str, each: Counted) -> Iterator[Taken]:
    for (_, model), number in each.statuses.items():
        if model is not None:
            yield Series(subject, "RequestsPerMinute", (shown_status(model),)), counted(number)
    if each.model_latency.bands:
        yield Series(subject, "RequestLatency"), _times(each.model_latency)
    if each.non_finite:
        yield Series(subject, "NonFiniteAnswers"), counted(each.non_finite)


def _times(latency: Latency) -> Amounts:
    if not latency.bands:
        return Amounts()
    return Amounts(latency.count, latency.sum, latency.least, latency.most, dict(latency.bands))
