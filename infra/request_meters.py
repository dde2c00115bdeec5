"""Scoring requests as OpenTelemetry metrics, under Azure Monitor's names, units and
dimensions: the meters are named by Azure's metric namespaces, one for endpoints and one for
deployments. Without an SDK nothing is measured."""

from typing import Any

from opentelemetry import metrics

from domain.scoring.request_record import RequestRecord
from infra.request_metrics import BUCKETS, endpoint_of

NAMES = ("RequestsPerMinute", "RequestLatency", "NetworkBytes")
NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"


class RequestMeters:
    """`record` is an `OnFinished`."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        endpoints = metrics.get_meter(NAMESPACE, meter_provider=provider)
        deployments = metrics.get_meter(f"{NAMESPACE}/deployments", meter_provider=provider)
        self._requests = endpoints.create_counter("RequestsPerMinute", unit="Count")
        self._latency = _latency(endpoints)
        self._bytes = endpoints.create_counter("NetworkBytes", unit="Bytes")
        self._answers = deployments.create_counter("RequestsPerMinute", unit="Count")
        self._model_latency = _latency(deployments)

    def record(self, record: RequestRecord) -> None:
        endpoint, model = endpoint_of(record), record.model_status
        deployment = {"endpoint": endpoint, "deployment": record.deployment}
        self._requests.add(
            1,
            {
                **deployment,
                "statusCode": str(record.code),
                "statusCodeClass": f"{record.code // 100}xx",
                "modelStatusCode": "" if model is None else str(model),
            },
        )
        self._latency.record(record.total_seconds * 1000, deployment)
        self._bytes.add(record.request_bytes + record.response_bytes, {"endpoint": endpoint})
        if model is not None:
            self._answers.add(1, {**deployment, "envoy_response_code": str(model)})
            self._model_latency.record(record.model_seconds * 1000, deployment)


def views() -> list[Any]:
    """For an SDK's MeterProvider, which else makes small letters of an instrument's name."""
    from opentelemetry.sdk.metrics.view import View

    return [View(instrument_name=name.lower(), name=name) for name in NAMES]


def _latency(meter: metrics.Meter) -> metrics.Histogram:
    return meter.create_histogram(
        "RequestLatency",
        unit="Milliseconds",
        explicit_bucket_boundaries_advisory=[float(bound) for bound in BUCKETS],
    )
