"""Scoring requests as OpenTelemetry metrics, under Azure Monitor's names, units and
dimensions: the meters are named by Azure's metric namespaces, one for endpoints and one for
deployments. Without an SDK nothing is measured."""

from collections.abc import Sequence

from opentelemetry import metrics

from domain.figures.latency_bands import COARSE, COARSE_LONG
from domain.figures.request_counts import endpoint_of, failure_of
from domain.scoring.request_record import RequestRecord
from infra.telemetry.metric_names import (
    BYTES,
    DEPLOYMENTS,
    ENDPOINTS,
    FAILURES,
    FIRST_BYTE,
    LATENCY,
    NON_FINITE,
    REQUESTS,
    STREAMS,
)


class RequestMeters:
    """`record` is a `Listener`."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        endpoints = metrics.get_meter(ENDPOINTS, meter_provider=provider)
        deployments = metrics.get_meter(DEPLOYMENTS, meter_provider=provider)
        self._requests = endpoints.create_counter(REQUESTS, unit="Count")
        self._latency = _histogram(endpoints, LATENCY, COARSE)
        self._failures = endpoints.create_counter(FAILURES, unit="Count")
        self._first_byte = _histogram(endpoints, FIRST_BYTE, COARSE)
        self._streams = _histogram(endpoints, STREAMS, COARSE_LONG)
        self._bytes = endpoints.create_counter(BYTES, unit="Bytes")
        self._answers = deployments.create_counter(REQUESTS, unit="Count")
        self._model_latency = _histogram(deployments, LATENCY, COARSE)
        self._non_finite = deployments.create_counter(NON_FINITE, unit="Count")

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
        fault = record.fault
        if fault is not None:
            why = {"reason": failure_of(record, fault), "fault": fault.value}
            self._failures.add(1, {**deployment, **why})
        if record.streamed is not None:
            self._streams.record(record.streamed.duration * 1000, deployment)
            if record.streamed.first_byte is not None:
                self._first_byte.record(record.streamed.first_byte * 1000, deployment)
        if record.non_finite:
            self._non_finite.add(1, deployment)


def _histogram(meter: metrics.Meter, name: str, bounds: Sequence[float]) -> metrics.Histogram:
    return meter.create_histogram(
        name,
        unit="Milliseconds",
        explicit_bucket_boundaries_advisory=[float(bound) for bound in bounds],
    )
