from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from domain.ports import Permission
from handlers.control import computes, datastores
from handlers.http import Routes
from tests.kit.stages.asset_stage import BASE_URL, AssetStage, opened

CLUSTER: dict[str, Any] = {
    "location": "westeurope",
    "tags": {"a": "b"},
    "properties": {
        "computeType": "AmlCompute",
        "description": "d",
        "properties": {
            "vmSize": "Standard_DS3_v2",
            "vmPriority": "Dedicated",
            "scaleSettings": {
                "minNodeCount": 0,
                "maxNodeCount": 4,
                "nodeIdleTimeBeforeScaleDown": "PT120S",
            },
        },
    },
}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[AssetStage]:
    async with opened(tmp_path) as stage:
        yield stage


@pytest.fixture
def client(stage: AssetStage, routes: Routes, open_client: Any, scope: WorkspaceScope) -> Any:
    client: httpx.AsyncClient = open_client(
        computes.blueprint(routes, stage.computes), datastores.blueprint(routes, stage.datastores)
    )
    client.base_url = client.base_url.join(scope.id)
    return client


def but(**changes: Any) -> dict[str, Any]:
    """The cluster with other inner properties."""
    inner = {**CLUSTER["properties"]["properties"], **changes}
    return {**CLUSTER, "properties": {**CLUSTER["properties"], "properties": inner}}


async def test_a_cluster_lives_its_whole_life(client: httpx.AsyncClient) -> None:
    made = await client.put("computes/cluster", json=CLUSTER)
    assert made.status_code == 201, made.text
    answer = made.json()
    assert answer["location"] == "westeurope"
    assert answer["properties"]["provisioningState"] == "Succeeded"
    assert answer["properties"]["properties"]["vmSize"] == "Standard_DS3_v2"
    scale = answer["properties"]["properties"]["scaleSettings"]
    assert scale["nodeIdleTimeBeforeScaleDown"] == "PT2M"
    assert (await client.put("computes/cluster", json=answer)).status_code == 200
    patch = {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 8}}}}
    changed = await client.patch("computes/cluster", json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 8
    listed = (await client.get("computes")).json()["value"]
    assert [each["name"] for each in listed] == ["cluster", "local"]
    deleted = await client.delete("computes/cluster?underlyingResourceAction=Delete")
    assert deleted.status_code == 200
    assert (await client.delete("computes/cluster")).status_code == 204
    assert (await client.get("computes/cluster")).status_code == 404


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"properties": {"computeType": "AKS"}}, "properties.computeType"),
        (but(vmSize="Standard_Nothing"), "properties.properties.vmSize"),
        (but(osType="Windows"), "properties.properties.osType"),
        (but(subnet={"id": "x"}), "properties.properties.subnet"),
        (but(vmSise="x"), "properties.properties.vmSise"),
        (
            but(scaleSettings={"minNodeCount": 5, "maxNodeCount": 2}),
            "properties.properties.scaleSettings",
        ),
        (
            but(scaleSettings={"maxNodeCount": 51}),
            "properties.properties.scaleSettings.maxNodeCount",
        ),
    ],
)
async def test_a_cluster_that_cannot_be_is_refused(
    client: httpx.AsyncClient, body: Any, target: str
) -> None:
    reply = await client.put("computes/cluster", json=body)
    assert reply.status_code == 400
    assert target in [detail["target"] for detail in reply.json()["error"]["details"]]


async def test_the_built_in_compute_stays(client: httpx.AsyncClient) -> None:
    assert (await client.get("computes/local")).status_code == 200
    assert (await client.delete("computes/local")).status_code == 409
    assert (await client.put("computes/local", json=CLUSTER)).status_code == 409
    patch = {"properties": {"description": "mine"}}
    assert (await client.patch("computes/local", json=patch)).status_code == 409


async def test_the_default_datastore_is_told_the_way_the_sdk_asks(
    client: httpx.AsyncClient,
) -> None:
    one = (await client.get("datastores/workspaceblobstore")).json()
    listed = (await client.get("datastores", params={"isDefault": "true"})).json()
    assert listed == {"value": [one]}
    assert one["properties"]["datastoreType"] == "AzureBlob"
    assert one["properties"]["isDefault"] is True
    assert one["properties"]["containerName"] == "workspaceblobstore"
    assert (await client.get("datastores/other")).status_code == 404


async def test_the_inbox_is_a_datastore_of_its_own(
    client: httpx.AsyncClient, stage: AssetStage
) -> None:
    inbox = (await client.get("datastores/BatchInbox")).json()
    assert (inbox["name"], inbox["properties"]["isDefault"]) == ("batchinbox", False)
    assert inbox["properties"]["containerName"] == "batch-inbox"
    listed = (await client.get("datastores")).json()["value"]
    assert [one["name"] for one in listed] == ["workspaceblobstore", "batchinbox"]
    for asked in ("isDefault=false", "names=batchinbox&names=other"):
        assert (await client.get(f"datastores?{asked}")).json() == {"value": [inbox]}
    secrets = (await client.post("datastores/batchinbox/listSecrets")).json()
    query = dict(httpx.QueryParams(secrets["sasToken"]))
    for permission in Permission:
        stage.blobs.signed_urls.verify(permission, "batch-inbox", "digits/1.csv", query)


async def test_the_datastores_secret_opens_its_blobs(
    client: httpx.AsyncClient, stage: AssetStage
) -> None:
    reply = await client.post("datastores/workspaceblobstore/listSecrets")
    assert reply.headers["cache-control"] == "no-store"
    secrets = reply.json()
    assert secrets["secretsType"] == "Sas"
    query = dict(httpx.QueryParams(secrets["sasToken"]))
    url = stage.blobs.url("workspaceblobstore", "a/b")
    assert url.startswith(BASE_URL)
    for permission in (Permission.READ, Permission.WRITE, Permission.LIST):
        stage.blobs.signed_urls.verify(permission, "workspaceblobstore", "a/b", query)


async def test_a_datastore_of_ones_own_is_refused_with_the_reason(
    client: httpx.AsyncClient,
) -> None:
    for reply in (
        await client.put("datastores/mine", json={"properties": {}}),
        await client.delete("datastores/workspaceblobstore"),
    ):
        assert reply.status_code == 400
        assert "built-in 'workspaceblobstore' and 'batchinbox'" in reply.json()["error"]["message"]


async def test_a_reader_may_not_list_secrets(
    stage: AssetStage, routes: Routes, open_client: Any, scope: WorkspaceScope
) -> None:
    client = open_client(datastores.blueprint(routes, stage.datastores), role="reader")
    path = f"{scope.id}/datastores/workspaceblobstore"
    assert (await client.post(f"{path}/listSecrets")).status_code == 403
    assert (await client.get(path)).status_code == 200
