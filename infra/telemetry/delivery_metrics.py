"""Deliveries to event subscriptions counted by the kind of their destination, under Azure
Monitor's names. The names of subscriptions are no dimension: each subscription shows its own
counts."""

from collections import Counter
from collections.abc import Iterator, Mapping

from opentelemetry import metrics

from domain.events.delivery_record import DeliveryRecord
from infra.telemetry.metric_names import DEAD_LETTERED, DELIVERED, FAILED, SUBSCRIPTIONS
from infra.telemetry.prometheus_text import head, line

_TOLD = {
    DELIVERED: "Events delivered.",
    FAILED: "Attempts to deliver an event that failed.",
    DEAD_LETTERED: "Events given up, by reason.",
}
_Series = tuple[str, str, str]
"""Name, kind of destination, and reason; that is empty but for the dead."""


def _counted(record: DeliveryRecord) -> Iterator[tuple[_Series, int]]:
    kind = record.endpoint_type.value
    if record.delivered:
        yield (DELIVERED, kind, ""), record.delivered
    if record.failed:
        yield (FAILED, kind, ""), record.failed
    for reason, number in Counter(record.dead).items():
        yield (DEAD_LETTERED, kind, reason), number


def _dimensions(series: _Series) -> Mapping[str, str]:
    name, kind, reason = series
    dimensions = {"endpointType": kind}
    return {**dimensions, "DeadLetterReason": reason} if name == DEAD_LETTERED else dimensions


class DeliveryMetrics:
    """As Prometheus reads them. `record` is an `OnSettled`."""

    def __init__(self) -> None:
        self._counts: Counter[_Series] = Counter()

    def record(self, record: DeliveryRecord) -> None:
        for series, number in _counted(record):
            self._counts[series] += number

    def text(self) -> str:
        """Everything counted, in Prometheus' text format."""
        return "".join(f"{each}\n" for each in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, told in _TOLD.items():
            full = f"event_subscription_{name}_total"
            yield from head(full, "counter", told)
            for series, number in self._counts.items():
                if series[0] == name:
                    yield line(full, _dimensions(series), number)


class DeliveryMeters:
    """The same as OpenTelemetry counters. `record` is an `OnSettled`. Without an SDK nothing
    is counted."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter(SUBSCRIPTIONS, meter_provider=provider)
        self._counters = {name: meter.create_counter(name, unit="Count") for name in _TOLD}

    def record(self, record: DeliveryRecord) -> None:
        for series, number in _counted(record):
            self._counters[series[0]].add(number, dict(_dimensions(series)))
