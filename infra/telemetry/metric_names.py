"""Azure Monitor's names for what is measured of online endpoints, their deployments, and
event subscriptions (which are Event Grid's there); and our own, for what Azure has none."""

from typing import Any

ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
DEPLOYMENTS = f"{ENDPOINTS}/deployments"
SUBSCRIPTIONS = "Microsoft.EventGrid/eventSubscriptions"

REQUESTS = "RequestsPerMinute"
LATENCY = "RequestLatency"
BYTES = "NetworkBytes"
FAILURES = "RequestFailures"
FIRST_BYTE = "TimeToFirstByte"
STREAMS = "StreamDuration"
NON_FINITE = "NonFiniteAnswers"
CAPACITY = "DeploymentCapacity"
CPU = "CpuUtilizationPercentage"
MEMORY = "CpuMemoryUtilizationPercentage"
DELIVERED = "DeliverySuccessCount"
FAILED = "DeliveryAttemptFailCount"
DEAD_LETTERED = "DeadLetteredCount"


def views() -> list[Any]:
    """For an SDK's MeterProvider, which else makes small letters of an instrument's name."""
    from opentelemetry.sdk.metrics.view import View

    names = (
        *(REQUESTS, LATENCY, BYTES, CAPACITY, CPU, MEMORY),
        *(FAILURES, FIRST_BYTE, STREAMS, NON_FINITE),
        *(DELIVERED, FAILED, DEAD_LETTERED),
    )
    return [View(instrument_name=name.lower(), name=name) for name in names]
