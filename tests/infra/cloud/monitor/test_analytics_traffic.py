"""Scoring requests from Log Analytics, as telemetry has told of them: on a stand-in that carries
the queries out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import Invalid
from domain.ports.records.traffic_records import COLUMNS, TrafficQuery
from infra.cloud.monitor.analytics_traffic import AnalyticsTraffic
from infra.telemetry.log_analytics import LogAnalytics
from infra.telemetry.request_telling import LOGGER
from tests.kit.apps.scripted_apps import GivenToken
from tests.kit.clocks import START
from tests.servers.log_analytics.stand_in import (
    TOKEN,
    WORKSPACE,
    LogAnalyticsStandIn,
    standing_in,
)

HERE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
BEGINS = START.timestamp()


class Place:
    def __init__(self, stand_in: LogAnalyticsStandIn) -> None:
        self.stand_in = stand_in
        self._analytics = LogAnalytics(stand_in.url, WORKSPACE, GivenToken(TOKEN))
        self.traffic = AnalyticsTraffic(self._analytics, HERE)

    async def close(self) -> None:
        await self._analytics.close()

    def told(self, id: str, *, at: float = 0, logger: str = LOGGER, **columns: Any) -> None:
        """As the exporter has it: every property a text."""
        told = {
            "EndpointName": "iris",
            "DeploymentName": "blue",
            "ResponseCode": 200,
            "TotalDurationMs": 12.5,
            "Caller": "key:primary",
            "AzureMLWorkspaceId": HERE,
            "XRequestId": id,
            **columns,
        }
        properties = {"logger_name": logger, **{k: str(v) for k, v in told.items()}}
        when = START + timedelta(seconds=at)
        self.stand_in.has("AppTraces", when, Message="POST", Properties=properties)

    async def ids(self, **asked: Any) -> list[str]:
        page = await self.traffic.query(TrafficQuery("iris", **asked), page_size=50)
        assert page.continuation is None
        return [each["XRequestId"] for each in page.records]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with standing_in() as stand_in:
        place = Place(stand_in)
        yield place
        await place.close()


async def test_a_record_has_the_columns_with_their_kinds(place: Place) -> None:
    place.told("r1", Method="POST", RequestPayloadSize=7)
    [record] = (await place.traffic.query(TrafficQuery("iris"), page_size=5)).records
    assert tuple(record) == COLUMNS
    assert record["TimeGenerated"] == "2026-01-02T00:00:00.000+00:00"
    assert (record["ResponseCode"], record["TotalDurationMs"]) == (200, 12.5)
    assert (record["RequestPayloadSize"], record["ModelStatusCode"]) == (7, None)
    assert (record["Method"], record["ModelStatusReason"]) == ("POST", "")


async def test_nothing_but_requests_of_this_endpoint_here_is_shown(place: Place) -> None:
    place.told("mine", EndpointName="Iris", AzureMLWorkspaceId=HERE.upper())
    place.told("another", EndpointName="irises")
    place.told("elsewhere", AzureMLWorkspaceId=f"{HERE}2")
    place.told("no request", logger="ml_endpoints.story")
    assert await place.ids() == ["mine"]


async def test_each_filter_holds_and_all_together(place: Place) -> None:
    place.told("a", at=0, ResponseCode=429)
    place.told("b", at=1, ResponseCode=503, DeploymentName="green", TotalDurationMs=900)
    place.told("c", at=2, ResponseCode=200, Caller='client:"x" or 1 == 1')
    place.told("d", at=3, ResponseCode=599, TotalDurationMs=0.1)
    assert await place.ids() == ["d", "c", "b", "a"]
    assert await place.ids(deployment="Green") == ["b"]
    assert await place.ids(statuses=((429, 429), (500, 599))) == ["d", "b", "a"]
    assert await place.ids(caller='client:"x" or 1 == 1') == ["c"]
    assert await place.ids(request_id="a") == ["a"]
    assert await place.ids(least_ms=12.5) == ["c", "b", "a"]
    assert await place.ids(since=BEGINS + 1, until=BEGINS + 3) == ["c", "b"]
    assert await place.ids(statuses=((500, 599),), least_ms=1.0, since=BEGINS) == ["b"]


async def test_pages_have_each_record_once_though_many_ended_at_once(place: Place) -> None:
    for number in range(7):
        place.told(f"r{number}", at=number // 4)
    found, continuation = list[str](), None
    while True:
        page = await place.traffic.query(
            TrafficQuery("iris"), page_size=3, continuation=continuation
        )
        found += [each["XRequestId"] for each in page.records]
        place.told(f"new{len(found)}", at=100)
        if (continuation := page.continuation) is None:
            break
    assert found == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]


@pytest.mark.parametrize(
    "token", ["x", "W10=", "WyIyMDI2LTAxLTAyIiwgMV0=", "WyIpIG9yIHRydWUiLCAiIl0="]
)
async def test_a_continuation_that_is_none_is_refused(place: Place, token: str) -> None:
    with pytest.raises(Invalid, match="skipToken"):
        await place.traffic.query(TrafficQuery("iris"), page_size=3, continuation=token)
    assert place.stand_in.queries == []
