"""Sizes of instances and what is promised of the compute, where the official SDK asks for them."""

from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers.control.usage import sizes
from handlers.http import Routes
from tests.kit.computes import AnyCapabilities


@pytest.fixture
def client(routes: Routes, open_client: Any, scope: WorkspaceScope) -> Any:
    client: httpx.AsyncClient = open_client(sizes.blueprint(routes, AnyCapabilities()))
    provider = "providers/Microsoft.MachineLearningServices/locations/here/"
    client.base_url = client.base_url.join(f"/subscriptions/{scope.subscription}/{provider}")
    return client


async def test_sizes_are_told_in_azures_units(client: httpx.AsyncClient) -> None:
    [found] = (await client.get("vmSizes")).json()["value"]
    assert (found["name"], found["vCPUs"], found["memoryGB"]) == ("Standard_DS3_v2", 4, 14.0)
    assert "AmlCompute" in found["supportedComputeTypes"]


async def test_what_is_promised_is_told_beside_what_may_be(client: httpx.AsyncClient) -> None:
    [found] = (await client.get("usages")).json()["value"]
    assert found["name"]["value"] == "cores"
    assert (found["currentValue"], found["limit"], found["unit"]) == (2, 8, "Count")
