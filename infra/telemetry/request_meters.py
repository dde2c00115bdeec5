"""Scoring requests as OpenTelemetry metrics, under Azure Monitor's names, units and
dimensions: the meters are named by Azure's metric namespaces, one for endpoints and one for
deployments. Without an SDK nothing is measured."""

from opentelemetry import metrics

from domain.scoring.request_record import RequestRecord
from infra.telemetry.metric_names import BYTES, DEPLOYMENTS, ENDPOINTS, LATENCY, REQUESTS
from infra.telemetry.request_metrics import BUCKETS, endpoint_of


class RequestMeters:
    """`record` is a `Listener`."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        endpoints = metrics.get_meter(ENDPOINTS, meter_provider=provider)
        deployments = metrics.get_meter(DEPLOYMENTS, meter_provider=provider)
        self._requests = endpoints.create_counter(REQUESTS, unit="Count")
        self._latency = _latency(endpoints)
        self._bytes = endpoints.create_counter(BYTES, unit="Bytes")
        self._answers = deployments.create_counter(REQUESTS, unit="Count")
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


def _latency(meter: metrics.Meter) -> metrics.Histogram:
    return meter.create_histogram(
        LATENCY,
        unit="Milliseconds",
        explicit_bucket_boundaries_advisory=[float(bound) for bound in BUCKETS],
    )
