"""Azure Monitor's names for what is measured of online endpoints and their deployments."""

from typing import Any

ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
DEPLOYMENTS = f"{ENDPOINTS}/deployments"

REQUESTS = "RequestsPerMinute"
LATENCY = "RequestLatency"
BYTES = "NetworkBytes"
CAPACITY = "DeploymentCapacity"
CPU = "CpuUtilizationPercentage"
MEMORY = "CpuMemoryUtilizationPercentage"


def views() -> list[Any]:
    """For an SDK's MeterProvider, which else makes small letters of an instrument's name."""
    from opentelemetry.sdk.metrics.view import View

    names = (REQUESTS, LATENCY, BYTES, CAPACITY, CPU, MEMORY)
    return [View(instrument_name=name.lower(), name=name) for name in names]
