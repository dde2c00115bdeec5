"""How scoring requests are asked for one by one."""

from pathlib import Path

import pytest

from domain.errors import Invalid
from domain.ports.records.traffic_records import TrafficPage, TrafficQuery, TrafficRecords
from handlers.figures.traffic import query_of
from tests.kit.stages.gateway_stage import opened


def test_a_query_is_read_whole() -> None:
    said = {
        "deployment": "blue",
        "status": "429, 5xx,400-404",
        "caller": "key:primary",
        "requestId": "r",
        "minDurationMs": "12.5",
        "since": "2026-01-31T12:00:00Z",
    }
    assert query_of("iris", said) == TrafficQuery(
        "iris",
        "blue",
        ((429, 429), (500, 599), (400, 404)),
        "key:primary",
        "r",
        12.5,
        1769860800.0,
    )


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        query_of("iris", {"status": "6xx,200", "minDurationMs": "slow", "until": "later"})
    assert [each.target for each in refused.value.details] == ["status", "minDurationMs", "until"]


class Told(TrafficRecords):
    """Two pages of one record each."""

    async def query(
        self, asked: TrafficQuery, *, page_size: int, continuation: str | None = None
    ) -> TrafficPage:
        return TrafficPage([{"EndpointName": asked.endpoint}], None if continuation else "7")


async def test_pages_are_linked_and_an_endpoint_that_is_not_there_is_not_found(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, hosts=1, traffic=Told()) as gateways:
        assert (await gateways.one.arm("GET", "onlineEndpoints/iris/trafficLog")).status_code == 404
        await gateways.iris()
        first = (await gateways.one.arm("GET", "onlineEndpoints/iris/trafficLog?$top=1")).json()
        assert first["value"] == [{"EndpointName": "iris"}]
        below = first["nextLink"].partition(f"{gateways.one.application.scope.id}/")[2]
        assert "nextLink" not in (await gateways.one.arm("GET", below)).json()
