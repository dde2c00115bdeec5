"""Scoring requests as figures: Azure Monitor's names and dimensions, in bounded memory."""

import sys
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from domain.figures.request_counts import MAX_STATUSES, RequestCounts
from domain.scoring.request_record import Ending, RequestRecord, Streamed
from infra.telemetry.metric_names import DEPLOYMENTS, ENDPOINTS, views
from infra.telemetry.request_meters import RequestMeters
from infra.telemetry.request_metrics import RequestMetrics

RECORD = RequestRecord(
    method="POST",
    path="/score",
    endpoint="iris",
    deployment="blue",
    code=200,
    reason="",
    ending=Ending.ANSWERED,
    model_status=200,
    model_reason="",
    request_bytes=10,
    response_bytes=32,
    user_agent="curl",
    request_id="one",
    client_request_id="",
    total_seconds=0.0075,
    model_seconds=0.005,
    streamed=None,
    non_finite=False,
    caller="key:primary",
)
FAILED = replace(RECORD, code=424, model_status=500, model_reason="model_error")
DENIED = replace(RECORD, code=401, reason="AuthenticationFailed", deployment="", model_status=None)
CUT_OFF = replace(
    RECORD,
    code=424,
    reason="AnswerCutOff",
    ending=Ending.BROKEN_OFF,
    model_reason="model_error",
    streamed=Streamed(first_byte=0.02, duration=1.5),
)
UNKNOWN = replace(DENIED, code=404, reason="EndpointNotFound", endpoint="made-up")


class _Metrics(RequestCounts):
    """What is counted, with its text."""

    def text(self) -> str:
        return RequestMetrics(self).text()


def _lines(metrics: _Metrics) -> list[str]:
    return metrics.text().splitlines()


def test_requests_are_counted_by_status_class_and_the_models_own_status() -> None:
    metrics = _Metrics()
    for record in (RECORD, RECORD, FAILED, DENIED):
        metrics.record(record)
    name = "online_endpoint_RequestsPerMinute_total"
    assert [line for line in _lines(metrics) if line.startswith(name)] == [
        f'{name}{{endpoint="iris",deployment="blue",statusCode="200",statusCodeClass="2xx",'
        'modelStatusCode="200"} 2',
        f'{name}{{endpoint="iris",deployment="blue",statusCode="424",statusCodeClass="4xx",'
        'modelStatusCode="500"} 1',
        f'{name}{{endpoint="iris",deployment="",statusCode="401",statusCodeClass="4xx",'
        'modelStatusCode=""} 1',
    ]
    name = "online_deployment_RequestsPerMinute_total"
    assert [line for line in _lines(metrics) if line.startswith(name)] == [
        f'{name}{{endpoint="iris",deployment="blue",envoy_response_code="200"}} 2',
        f'{name}{{endpoint="iris",deployment="blue",envoy_response_code="500"}} 1',
    ]
    assert 'online_endpoint_NetworkBytes_total{endpoint="iris",deployment="blue"} 126' in _lines(
        metrics
    )


def test_latencies_are_histograms_in_milliseconds() -> None:
    metrics = _Metrics()
    metrics.record(RECORD)
    metrics.record(replace(RECORD, total_seconds=400.0))
    of = 'endpoint="iris",deployment="blue"'
    name = "online_endpoint_RequestLatency_milliseconds"
    lines = _lines(metrics)
    assert f'{name}_bucket{{{of},le="5"}} 0' in lines
    assert f'{name}_bucket{{{of},le="10"}} 1' in lines
    assert f'{name}_bucket{{{of},le="180000"}} 1' in lines
    assert f'{name}_bucket{{{of},le="+Inf"}} 2' in lines
    assert f"{name}_count{{{of}}} 2" in lines
    assert f"{name}_sum{{{of}}} 400008" in lines
    assert f'online_deployment_RequestLatency_milliseconds_bucket{{{of},le="5"}} 2' in lines


def test_failures_are_counted_by_why_and_whose_fault() -> None:
    metrics = _Metrics()
    refused = replace(FAILED, model_status=400)
    gone = replace(RECORD, code=499, ending=Ending.CALLER_GONE)
    away = replace(DENIED, code=503, reason="ServiceUnavailable")
    own = replace(RECORD, code=500, ending=Ending.FAILED, model_status=None)
    for record in (RECORD, FAILED, FAILED, refused, CUT_OFF, gone, own, DENIED, away):
        metrics.record(record)
    name = "online_endpoint_RequestFailures_total"
    blue = 'endpoint="iris",deployment="blue"'
    assert [line for line in _lines(metrics) if line.startswith(name)] == [
        f'{name}{{{blue},reason="ModelError",fault="deployment"}} 2',
        f'{name}{{{blue},reason="ModelRefusal",fault="caller"}} 1',
        f'{name}{{{blue},reason="AnswerCutOff",fault="deployment"}} 1',
        f'{name}{{{blue},reason="CallerGone",fault="caller"}} 1',
        f'{name}{{{blue},reason="InternalServerError",fault="gateway"}} 1',
        f'{name}{{endpoint="iris",deployment="",reason="AuthenticationFailed",fault="caller"}} 1',
        f'{name}{{endpoint="",deployment="",reason="ServiceUnavailable",fault="gateway"}} 1',
    ]


def test_a_stream_that_broke_off_is_no_success() -> None:
    metrics = _Metrics()
    metrics.record(CUT_OFF)
    text = metrics.text()
    assert 'statusCode="424",statusCodeClass="4xx",modelStatusCode="200"} 1' in text
    assert "2xx" not in text


def test_streams_have_a_first_byte_and_a_duration() -> None:
    metrics = _Metrics()
    metrics.record(RECORD)
    of = 'endpoint="iris",deployment="blue"'
    assert not any("TimeToFirstByte_milliseconds_" in line for line in _lines(metrics))
    metrics.record(CUT_OFF)
    metrics.record(replace(CUT_OFF, streamed=Streamed(first_byte=None, duration=7200.0)))
    lines = _lines(metrics)
    name = "online_endpoint_TimeToFirstByte_milliseconds"
    assert f'{name}_bucket{{{of},le="10"}} 0' in lines
    assert f'{name}_bucket{{{of},le="25"}} 1' in lines
    assert f"{name}_count{{{of}}} 1" in lines
    name = "online_endpoint_StreamDuration_milliseconds"
    assert f'{name}_bucket{{{of},le="2500"}} 1' in lines
    assert f'{name}_bucket{{{of},le="1.44e+07"}} 2' in lines
    assert f"{name}_count{{{of}}} 2" in lines


def test_answers_without_a_number_are_counted() -> None:
    metrics = _Metrics()
    metrics.record(RECORD)
    assert "NonFiniteAnswers_total{" not in metrics.text()
    metrics.record(replace(RECORD, non_finite=True))
    name = "online_deployment_NonFiniteAnswers_total"
    assert f'{name}{{endpoint="iris",deployment="blue"}} 1' in _lines(metrics)


def test_every_family_is_described_once() -> None:
    metrics = _Metrics()
    metrics.record(RECORD)
    heads = [line.split()[2] for line in _lines(metrics) if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) == 9


def test_names_that_callers_make_up_share_one_series() -> None:
    metrics = _Metrics()
    for number in range(100):
        metrics.record(replace(UNKNOWN, endpoint=f"made-up-{number}"))
    metrics.record(replace(UNKNOWN, code=499, reason=""))
    text = metrics.text()
    assert "made-up" not in text
    assert 'endpoint="",deployment="",statusCode="404"' in text


def test_the_number_of_series_is_bounded_and_the_busy_ones_stay() -> None:
    metrics = _Metrics(most=10)
    for number in range(50):
        metrics.record(RECORD)
        metrics.record(replace(RECORD, endpoint=f"e{number}"))
    text = metrics.text()
    assert text.count("_NetworkBytes_total{") == 10
    assert 'endpoint="iris",deployment="blue",statusCode="200",statusCodeClass="2xx"' in text
    assert 'endpoint="e49"' in text
    assert 'endpoint="e0"' not in text


def test_a_script_that_answers_with_any_number_makes_few_series() -> None:
    metrics = _Metrics()
    for status in range(100, 1000):
        metrics.record(replace(FAILED, model_status=status))
    lines = [line for line in _lines(metrics) if "RequestsPerMinute_total{" in line]
    assert len(lines) < 2 * (MAX_STATUSES + 2)
    assert any('modelStatusCode="other"' in line for line in lines)


def test_opentelemetry_gets_azure_monitors_names_units_and_dimensions() -> None:
    reader = InMemoryMetricReader()
    meters = RequestMeters(MeterProvider([reader], shutdown_on_exit=False, views=views()))
    for record in (RECORD, FAILED, UNKNOWN):
        meters.record(record)
    told = _told(reader)
    unit, points = told[ENDPOINTS, "RequestsPerMinute"]
    assert unit == "Count"
    assert {tuple(point.attributes.values()): point.value for point in points} == {
        ("iris", "blue", "200", "2xx", "200"): 1,
        ("iris", "blue", "424", "4xx", "500"): 1,
        ("", "", "404", "4xx", ""): 1,
    }
    assert list(points[0].attributes) == [
        "endpoint",
        "deployment",
        "statusCode",
        "statusCodeClass",
        "modelStatusCode",
    ]
    unit, points = told[ENDPOINTS, "RequestLatency"]
    assert (unit, points[0].count) == ("Milliseconds", 2)
    assert points[0].sum == pytest.approx(15.0)
    unit, points = told[ENDPOINTS, "NetworkBytes"]
    assert (unit, points[0].value) == ("Bytes", 84)
    unit, points = told[DEPLOYMENTS, "RequestsPerMinute"]
    assert {point.attributes["envoy_response_code"] for point in points} == {"200", "500"}
    assert told[DEPLOYMENTS, "RequestLatency"][0] == "Milliseconds"


def test_opentelemetry_gets_failures_streams_and_answers_without_a_number() -> None:
    reader = InMemoryMetricReader()
    meters = RequestMeters(MeterProvider([reader], shutdown_on_exit=False, views=views()))
    for record in (RECORD, CUT_OFF, replace(RECORD, non_finite=True)):
        meters.record(record)
    told = _told(reader)
    unit, (point,) = told[ENDPOINTS, "RequestFailures"]
    assert (unit, point.value) == ("Count", 1)
    assert dict(point.attributes) == {
        "endpoint": "iris",
        "deployment": "blue",
        "reason": "AnswerCutOff",
        "fault": "deployment",
    }
    for name, milliseconds in (("TimeToFirstByte", 20), ("StreamDuration", 1500)):
        unit, (point,) = told[ENDPOINTS, name]
        assert (unit, point.count) == ("Milliseconds", 1)
        assert point.sum == pytest.approx(milliseconds)
    unit, (point,) = told[DEPLOYMENTS, "NonFiniteAnswers"]
    assert (unit, point.value) == ("Count", 1)


def _told(reader: InMemoryMetricReader) -> dict[tuple[str, str], tuple[str, list[Any]]]:
    data: Any = reader.get_metrics_data()
    return {
        (scope.scope.name, metric.name): (metric.unit, list(metric.data.data_points))
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_without_an_sdk_nothing_is_kept() -> None:
    meters = RequestMeters()
    meters.record(RECORD)

    def kept() -> int:
        before = sys.getallocatedblocks()
        for number in range(1000):
            meters.record(replace(RECORD, endpoint=f"e{number}"))
        return sys.getallocatedblocks() - before

    # Other threads of this process may keep something meanwhile.
    assert min(kept() for _ in range(5)) < 200
