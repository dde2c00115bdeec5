"""Figures over time at the door, as two gateways have counted them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.ports import Instance, ScoringRequest
from tests.kit.clocks import START
from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import Gateways, opened

METRICS = "onlineEndpoints/iris/providers/Microsoft.Insights/metrics"
OF_BLUE = "onlineEndpoints/iris/deployments/blue/providers/Microsoft.Insights/metrics"
MINUTE = 60


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    """Four requests to blue, of which the model fails one, on two hosts in two minutes; the clock
    stands a minute later."""
    async with opened(tmp_path) as gateways:
        await gateways.iris("blue")
        await gateways.patch(traffic={"blue": 100})
        gateways.clock.time = START.timestamp() + 3600
        answers = iter([says(), says(), says(500), says()])

        def script(instance: Instance, request: ScoringRequest) -> Any:
            return next(answers)

        gateways.scorer.script = script
        for minutes, host in ((0, 0), (0, 1), (1, 0), (1, 1)):
            gateways.clock.time = START.timestamp() + 3600 + minutes * MINUTE
            await gateways.all[host].score(content=b"12345")
            await gateways.all[host].application.figures.gathering.flush()
        gateways.clock.move(MINUTE)
        yield gateways


async def asked(gateways: Gateways, path: str = METRICS, **parameters: str) -> Any:
    told = {"timespan": "2026-01-02T00:59:00Z/2026-01-02T01:02:00Z", **parameters}
    named = "&".join(f"{name.replace('_', '$')}={value}" for name, value in told.items())
    reply = await gateways.other.arm("GET", f"{path}?api-version=2024-02-01&{named}")
    assert reply.status_code in (200, 400), reply.text
    return reply.json()


def values(answer: Any, name: str, metric: int = 0, series: int = 0) -> list[float | None]:
    return [point.get(name) for point in answer["value"][metric]["timeseries"][series]["data"]]


async def test_what_several_gateways_counted_adds_up_by_the_minute(gateways: Gateways) -> None:
    answer = await asked(gateways, metricnames="requestsperminute", aggregation="Total,Average")
    assert {
        key: answer[key] for key in ("timespan", "interval", "namespace", "resourceregion")
    } == {
        "timespan": "2026-01-02T00:59:00Z/2026-01-02T01:02:00Z",
        "interval": "PT1M",
        "namespace": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "resourceregion": "here",
    }
    [metric] = answer["value"]
    assert metric["id"].endswith(
        "/onlineEndpoints/iris/providers/Microsoft.Insights/metrics/RequestsPerMinute"
    )
    assert metric["name"] == {"value": "RequestsPerMinute", "localizedValue": "Requests Per Minute"}
    assert (metric["unit"], metric["errorCode"]) == ("Count", "Success")
    [series] = metric["timeseries"]
    assert series == {
        "metadatavalues": [],
        "data": [
            {"timeStamp": "2026-01-02T00:59:00Z", "average": 0, "total": 0},
            {"timeStamp": "2026-01-02T01:00:00Z", "average": 2, "total": 2},
            {"timeStamp": "2026-01-02T01:01:00Z", "average": 2, "total": 2},
        ],
    }


async def test_series_are_told_apart_by_what_the_filter_names(gateways: Gateways) -> None:
    answer = await asked(
        gateways,
        metricnames="RequestsPerMinute",
        aggregation="Total",
        interval="FULL",
        _filter="deployment eq 'BLUE' and statusCodeClass eq '*'",
        orderby="total desc",
    )
    shown = answer["value"][0]["timeseries"]
    assert [
        ({v["name"]["value"]: v["value"] for v in each["metadatavalues"]}, each["data"][0]["total"])
        for each in shown
    ] == [
        ({"deployment": "blue", "statuscodeclass": "2xx"}, 3),
        ({"deployment": "blue", "statuscodeclass": "4xx"}, 1),
    ]
    answer = await asked(gateways, aggregation="Total", _filter="statusCodeClass ne '2xx'")
    assert values(answer, "total") == [0, 0, 1]
    answer = await asked(gateways, _filter="statusCode eq '*'", rollupby="statusCode", top="1")
    assert values(answer, "average") == [0, 2, 2]
    answer = await asked(gateways, _filter="statusCode eq '*'", top="1", orderby="sum desc")
    assert [len(metric["timeseries"]) for metric in answer["value"]] == [1]
    answer = await asked(gateways, _filter="deployment eq 'green'")
    assert answer["value"][0]["timeseries"] == []


async def test_latencies_have_their_percentiles_and_rates_their_seconds(gateways: Gateways) -> None:
    names = "RequestLatency,RequestLatency_P50,RequestLatency_P99,NetworkBytes,RequestFailures"
    answer = await asked(gateways, metricnames=names, interval="FULL")
    assert [metric["unit"] for metric in answer["value"]] == [
        *(3 * ["Milliseconds"]),
        "BytesPerSecond",
        "Count",
    ]
    least, most = [
        values(
            await asked(gateways, metricnames="RequestLatency", aggregation=a, interval="FULL"), a
        )
        for a in ("minimum", "maximum")
    ]
    for metric in range(3):
        assert least <= values(answer, "average", metric) <= most
    # Each request has five bytes, and no answer any; the span has 180 seconds.
    assert values(answer, "average", 3) == [round(20 / 180, 4)]
    answer = await asked(
        gateways,
        metricnames="RequestFailures",
        aggregation="Count",
        interval="FULL",
        _filter="reason eq '*' and fault eq '*'",
    )
    [series] = answer["value"][0]["timeseries"]
    assert [v["value"] for v in series["metadatavalues"]] == ["ModelError", "deployment"]
    assert values(answer, "count") == [1]


async def test_a_deployment_has_figures_of_its_own(gateways: Gateways) -> None:
    answer = await asked(
        gateways,
        OF_BLUE,
        aggregation="Total",
        interval="FULL",
        _filter="envoy_response_code eq '*'",
    )
    assert {
        each["metadatavalues"][0]["value"]: each["data"][0]["total"]
        for each in answer["value"][0]["timeseries"]
    } == {"200": 3, "500": 1}
    answer = await asked(gateways, OF_BLUE, metricnames="RequestLatency_P95", interval="PT1H")
    # The hour before is the first that the timespan touches.
    assert [point is None for point in values(answer, "average")] == [True, False]


async def test_a_time_without_latencies_has_no_value_and_none_lies_ahead(
    gateways: Gateways,
) -> None:
    answer = await asked(
        gateways,
        metricnames="RequestLatency,RequestsPerMinute",
        timespan="2026-01-02T00:58:00Z/2026-01-02T04:00:00Z",
        aggregation="Average,Total",
    )
    assert values(answer, "average")[:2] == [None, None]
    assert values(answer, "total", 1) == [0, 0, 2, 2, 0]


async def test_metadata_is_which_series_there_are(gateways: Gateways) -> None:
    answer = await asked(gateways, resultType="metadata", _filter="statusCode eq '*'")
    assert "interval" not in answer
    shown = answer["value"][0]["timeseries"]
    assert [[v["value"] for v in each["metadatavalues"]] for each in shown] == [["200"], ["424"]]
    assert all(list(each) == ["metadatavalues"] for each in shown)


async def test_every_fault_is_told_at_once(gateways: Gateways) -> None:
    answer = await asked(
        gateways,
        metricnames="RequestsPerMinit,Colour",
        timespan="yesterday",
        interval="PT7M",
        aggregation="Median",
        _filter="colour = 1",
        top="0",
        orderby="shape",
        rollupby="age",
        metricnamespace="Microsoft.Storage/storageAccounts",
        AutoAdjustTimegrain="perhaps",
    )
    details = answer["error"]["details"]
    assert sorted(detail["target"] for detail in details) == [
        "$filter",
        "aggregation",
        "interval",
        *("metricnames", "metricnames", "metricnamespace"),
        *("orderby", "rollupby", "timespan", "top"),
    ]
    told = [detail["message"] for detail in details]
    assert any("Did you mean 'RequestsPerMinute'?" in text for text in told)
    assert any("There are: RequestsPerMinute, RequestLatency, NetworkBytes" in t for t in told)


async def test_what_is_of_the_workspace_is_asked_for_there(gateways: Gateways) -> None:
    answer = await asked(gateways, metricnames="ConnectionsActive")
    assert "It is of the workspace" in answer["error"]["message"]
    answer = await asked(
        gateways, "providers/Microsoft.Insights/metrics", metricnames="ConnectionsActive"
    )
    assert answer["namespace"] == "Microsoft.MachineLearningServices/workspaces"


async def test_an_interval_finer_than_what_is_kept_is_refused_or_adjusted(
    gateways: Gateways,
) -> None:
    spans = {"timespan": "2025-12-01T00:00:00Z/2025-12-02T00:00:00Z", "interval": "PT5M"}
    answer = await asked(gateways, **spans)
    assert "kept in steps of 3600 seconds" in answer["error"]["message"]
    answer = await asked(gateways, **spans, AutoAdjustTimegrain="true")
    assert answer["interval"] == "PT1H"
    assert len(values(answer, "average")) == 24
    answer = await asked(gateways, interval="PT1S")
    assert "kept in steps of 60 seconds" in answer["error"]["message"]


async def test_too_many_points_are_refused(gateways: Gateways) -> None:
    names = "RequestsPerMinute,RequestLatency,RequestLatency_P50,RequestFailures"
    answer = await asked(
        gateways,
        metricnames=names,
        timespan="2025-12-27T00:00:00Z/2026-01-02T00:00:00Z",
        _filter="deployment eq '*'",
        interval="PT1M",
    )
    assert answer["error"]["target"] == "interval"
    assert "more than 200000 points" in answer["error"]["message"]


async def test_definitions_say_what_there_is(gateways: Gateways) -> None:
    for path in (METRICS, OF_BLUE):
        reply = await gateways.one.arm("GET", path.replace("/metrics", "/metricDefinitions"))
        assert reply.status_code == 200, reply.text
        [first, *_] = reply.json()["value"]
        assert first["name"]["value"] == "RequestsPerMinute"
        assert first["primaryAggregationType"] == "Average"
        assert first["supportedAggregationTypes"] == ["Average", "Total", "Count"]
        assert first["metricAvailabilities"][0] == {"timeGrain": "PT1M", "retention": "P7D"}
        assert first["metricAvailabilities"][-1] == {"timeGrain": "P1D", "retention": "P365D"}
        assert first["resourceId"].endswith(path.partition("/providers")[0])


async def test_what_is_not_there_has_no_figures(gateways: Gateways) -> None:
    for path in (METRICS.replace("iris", "rose"), OF_BLUE.replace("blue", "green")):
        reply = await gateways.one.arm("GET", path)
        assert reply.status_code == 404
        assert "not found" in reply.json()["error"]["message"]
