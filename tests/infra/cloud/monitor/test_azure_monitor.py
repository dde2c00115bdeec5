"""Figures over time of Azure Monitor, from a server that takes nothing but what is asked of it as
the REST API has it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.metric_query import MetricAnswer, MetricQuery, Order, Term
from domain.figures.metrics import CATALOGUES, DEPLOYMENTS, ENDPOINTS, Aggregation
from domain.ground.counting.tally import deployment_subject, endpoint_subject
from domain.ports.records.figure_store import Bucket, Series, counted
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from infra.cloud.monitor.azure_monitor import AzureMonitor
from tests.kit.clocks import START, HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/components/app"
HOUR = int(START.timestamp())
_KNOWN = {
    *("api-version", "metricnames", "metricnamespace", "timespan", "interval", "aggregation"),
    *("$filter", "top"),
}
_TERM = r"\w+ (eq|ne) '([^']|'')*'"
_GROUP = rf"({_TERM}|\({_TERM}( (or|and) {_TERM})+\))"
_FILTER = f"{_GROUP}( and {_GROUP})*"


class Monitor:
    """Has what a test says of metrics by name: series with their dimensions and points."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = None
        self.series: dict[str, list[tuple[dict[str, str], list[dict[str, Any]]]]] = {}
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        self._check(request)
        if self.status != 200 or self.body is not None:
            body = {"error": {"code": "No"}} if self.body is None else self.body
            return web.json_response(body, status=self.status)
        value = [
            {
                "name": {"value": name, "localizedValue": name},
                "timeseries": [
                    {
                        "metadatavalues": [
                            {"name": {"value": k.lower(), "localizedValue": k}, "value": v}
                            for k, v in dimensions.items()
                        ],
                        "data": data,
                    }
                    for dimensions, data in self.series[name]
                ],
            }
            for name in request.query["metricnames"].split(",")
            if name in self.series
        ]
        return web.json_response({"timespan": request.query["timespan"], "value": value})

    def _check(self, request: web.Request) -> None:
        query = request.query
        assert request.path == f"{RESOURCE}/providers/Microsoft.Insights/metrics"
        assert request.headers["authorization"] == "Bearer a-token"
        assert set(query) == _KNOWN
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", query["api-version"])
        assert len(query["metricnames"].split(",")) <= 20
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        assert re.fullmatch(f"{time}/{time}", query["timespan"])
        assert re.fullmatch(r"PT[1-9]\d*M|FULL", query["interval"])
        assert query["aggregation"] == "average,count,minimum,maximum,total"
        assert re.fullmatch(_FILTER, query["$filter"]), query["$filter"]


def point(minute: int, total: float, count: int = 1, **other: float) -> dict[str, Any]:
    told = {"total": total, "count": count, "average": total / count, **other}
    return {"timeStamp": f"2026-01-02T00:{minute:02d}:00Z", **told}


class Place:
    """A reader with figures of its own: 7 requests a minute, to blue."""

    def __init__(self, monitor: Monitor, address: str) -> None:
        self.monitor = monitor
        self.clock = HeldClock()
        self.outside = AzureMonitor(RESOURCE, self._token, address=address, now=self.clock.unix)
        keep = timedelta(days=9)
        store = MemoryResourceStore(self.clock.unix)
        self.store = DocumentFigureStore(store, minutes=keep, hours=keep)
        gathering = FigureGathering(self.store, self.clock, (), capacity=100)
        self.reading = FigureReading(self.store, gathering, self.clock, self.outside)
        self.token = "a-token"

    async def _token(self) -> str:
        if not self.token:
            raise RuntimeError("this machine has no identity")
        return self.token

    async def fill(self) -> None:
        subject = endpoint_subject("iris")
        series = {
            Series(subject, "RequestsPerMinute", ("blue", "200", "200")): counted(7),
            Series(subject, "Wakes", ("blue",)): counted(7),
        }
        await self.store.put("a", [Bucket(60, HOUR + 60 * n, series) for n in range(3)])
        self.clock.time = HOUR + 180

    async def read(self, *names: str, **asked: Any) -> list[MetricAnswer]:
        subject = asked.pop("subject", endpoint_subject("iris"))
        namespace = DEPLOYMENTS if "deployments" in subject else ENDPOINTS
        metrics = tuple(CATALOGUES[namespace][name.casefold()] for name in names)
        query = MetricQuery(subject, metrics, HOUR, HOUR + 180, asked.pop("interval", 60), **asked)
        return await self.reading.read(query)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    monitor = Monitor()
    app = web.Application()
    app.router.add_get("/{path:.*}", monitor.answer)
    async with TestServer(app) as server:
        place = Place(monitor, str(server.make_url("")).rstrip("/"))
        await place.fill()
        yield place
        await place.outside.close()


def values(answer: MetricAnswer, of: Aggregation, line: int = 0) -> list[float | None]:
    return [each.values.get(of) for each in answer.lines[line].points]


async def test_what_it_has_is_shown_with_every_interval(place: Place) -> None:
    place.monitor.series["RequestsPerMinute"] = [({"endpoint": "iris"}, [point(1, 12.0)])]
    place.monitor.series["RequestLatency"] = [
        ({"endpoint": "iris"}, [point(1, 60.0, 3, minimum=10.0, maximum=30.0)])
    ]
    requests, latency = await place.read("RequestsPerMinute", "RequestLatency")
    assert requests.is_outside
    assert values(requests, Aggregation.TOTAL) == [0, 12, 0]
    assert values(latency, Aggregation.AVERAGE)[:2] == [None, 20]
    assert values(latency, Aggregation.MAXIMUM)[:2] == [None, 30]
    [asked] = place.monitor.asked
    assert asked["metricnamespace"] == ENDPOINTS
    assert asked["$filter"] == "endpoint eq 'iris'"


async def test_what_it_has_not_is_our_own(place: Place) -> None:
    place.monitor.series["RequestsPerMinute"] = [({}, [point(0, 1.0)])]
    answers = await place.read("RequestsPerMinute", "Wakes", "RequestLatency_P95", "NetworkBytes")
    assert [each.is_outside for each in answers] == [True, False, False, False]
    assert values(answers[1], Aggregation.TOTAL)[:3] == [7, 7, 7]
    assert place.monitor.asked[0]["metricnames"] == "RequestsPerMinute,NetworkBytes"


async def test_series_are_told_apart_filtered_and_ordered(place: Place) -> None:
    place.monitor.series["RequestsPerMinute"] = [
        ({"endpoint": "iris", "deployment": d, "statusCode": s}, [point(0, number)])
        for d, s, number in (("blue", "200", 1.0), ("blue", "424", 2.0), ("green", "200", 9.0))
    ]
    [answer] = await place.read(
        "RequestsPerMinute",
        terms=(
            Term("deployment", ("blue", "it's green")),
            Term("statusCode", ("500", "501"), negated=True),
        ),
        rolled_up=frozenset({"statusCode"}),
        order=Order(Aggregation.TOTAL, descending=True),
    )
    told = [(line.dimensions, line.points[0].values[Aggregation.TOTAL]) for line in answer.lines]
    assert told == [({"deployment": "green"}, 9), ({"deployment": "blue"}, 3)]
    assert place.monitor.asked[0]["$filter"].startswith(
        "endpoint eq 'iris' and (deployment eq 'blue' or deployment eq 'it''s green')"
    )


async def test_a_deployment_is_asked_for_in_its_own_namespace(place: Place) -> None:
    place.monitor.series["CpuUtilizationPercentage"] = [
        ({"instanceId": "one"}, [point(2, 90.0, 2, minimum=40.0, maximum=50.0)])
    ]
    [answer] = await place.read(
        "CpuUtilizationPercentage", subject=deployment_subject("iris", "blue"), interval=None
    )
    assert values(answer, Aggregation.AVERAGE) == [45]
    [asked] = place.monitor.asked
    assert (asked["metricnamespace"], asked["interval"]) == (DEPLOYMENTS, "FULL")
    assert asked["$filter"] == "endpoint eq 'iris' and deployment eq 'blue'"


@pytest.mark.parametrize(("status", "seconds"), [(403, 600), (401, 600), (503, 60), (429, 60)])
async def test_without_the_right_or_an_answer_figures_are_our_own_for_a_while(
    place: Place, status: int, seconds: int
) -> None:
    place.monitor.status = status
    for _ in range(2):
        [answer] = await place.read("RequestsPerMinute")
        assert not answer.is_outside
        assert values(answer, Aggregation.TOTAL)[:3] == [7, 7, 7]
    assert len(place.monitor.asked) == 1
    place.clock.move(seconds)
    place.monitor.status = 200
    place.monitor.series["RequestsPerMinute"] = []
    [answer] = await place.read("RequestsPerMinute")
    assert answer.is_outside


@pytest.mark.parametrize("body", [{"value": [{"name": 1}]}, [], {"value": None}, {}])
async def test_an_answer_of_another_form_is_none(place: Place, body: Any) -> None:
    place.monitor.body = body
    [answer] = await place.read("RequestsPerMinute")
    assert not answer.is_outside


async def test_a_machine_without_an_identity_has_its_own_figures(place: Place) -> None:
    place.token = ""
    [answer] = await place.read("RequestsPerMinute")
    assert not answer.is_outside
    assert place.monitor.asked == []
