"""Deliveries of events as figures, in few series."""

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from domain.events.delivery_record import DeliveryRecord
from domain.events.event_subscription import EndpointType
from infra.telemetry.delivery_metrics import DeliveryMeters, DeliveryMetrics
from infra.telemetry.metric_names import SUBSCRIPTIONS, views

RECORDS = (
    DeliveryRecord(EndpointType.WEB_HOOK, delivered=3, failed=2),
    DeliveryRecord(EndpointType.WEB_HOOK, failed=1, dead=("RefusedByReceiver",)),
    DeliveryRecord(EndpointType.WEB_HOOK, dead=("SubscriptionDisabled",) * 40),
    DeliveryRecord(EndpointType.SERVICE_BUS_TOPIC, delivered=1),
    DeliveryRecord(EndpointType.SERVICE_BUS_QUEUE),
)


def test_they_are_counted_by_the_kind_of_destination_and_the_dead_by_reason() -> None:
    metrics = DeliveryMetrics()
    for record in RECORDS:
        metrics.record(record)
    lines = metrics.text().splitlines()
    name = "event_subscription_{}_total"
    assert [line for line in lines if not line.startswith("#")] == [
        name.format("DeliverySuccessCount") + '{endpointType="WebHook"} 3',
        name.format("DeliverySuccessCount") + '{endpointType="ServiceBusTopic"} 1',
        name.format("DeliveryAttemptFailCount") + '{endpointType="WebHook"} 3',
        name.format("DeadLetteredCount")
        + '{endpointType="WebHook",DeadLetterReason="RefusedByReceiver"} 1',
        name.format("DeadLetteredCount")
        + '{endpointType="WebHook",DeadLetterReason="SubscriptionDisabled"} 40',
    ]
    heads = [line.split()[2:] for line in lines if line.startswith("# TYPE")]
    assert heads == [
        [name.format(each), "counter"]
        for each in ("DeliverySuccessCount", "DeliveryAttemptFailCount", "DeadLetteredCount")
    ]


def test_opentelemetry_gets_the_same_under_azure_monitors_names() -> None:
    reader = InMemoryMetricReader()
    meters = DeliveryMeters(MeterProvider([reader], shutdown_on_exit=False, views=views()))
    for record in RECORDS:
        meters.record(record)
    data: Any = reader.get_metrics_data()
    told = {
        (metric.name, metric.unit, *point.attributes.items()): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if scope.scope.name == SUBSCRIPTIONS
    }
    hook, topic = ("endpointType", "WebHook"), ("endpointType", "ServiceBusTopic")
    dead = ("DeadLetteredCount", "Count", hook)
    assert told == {
        ("DeliverySuccessCount", "Count", hook): 3,
        ("DeliverySuccessCount", "Count", topic): 1,
        ("DeliveryAttemptFailCount", "Count", hook): 3,
        (*dead, ("DeadLetterReason", "RefusedByReceiver")): 1,
        (*dead, ("DeadLetterReason", "SubscriptionDisabled")): 40,
    }


def test_without_an_sdk_nothing_fails() -> None:
    meters = DeliveryMeters()
    for record in RECORDS:
        meters.record(record)
