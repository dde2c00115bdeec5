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


@pytest.fixture
def cluster_client(
    stage: AssetStage, routes: Routes, open_client: Any, scope: WorkspaceScope
) -> httpx.AsyncClient:
    """Of a host that has a cluster."""
    client: httpx.AsyncClient = open_client(computes.blueprint(routes, stage.attached))
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
        (but(namespace="models"), "properties.properties.namespace"),
        (
            {**CLUSTER, "properties": {**CLUSTER["properties"], "resourceId": "/x"}},
            "properties.resourceId",
        ),
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


ATTACHED: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "computeType": "kubernetes",
        "resourceId": "/subscriptions/s/resourceGroups/g/providers/p/managedClusters/c",
        "properties": {
            "namespace": "models",
            "defaultInstanceType": "gpu",
            "instanceTypes": {
                "gpu": {
                    "nodeSelector": {"agentpool": "gpus"},
                    "resources": {
                        "requests": {"cpu": "1", "memory": "4Gi"},
                        "limits": {"cpu": 2, "memory": "8Gi", "nvidia.com/gpu": 1},
                    },
                }
            },
        },
    },
}


async def test_a_namespace_of_a_cluster_is_attached_by_arm_s_body_and_shown_as_it_is(
    cluster_client: httpx.AsyncClient,
) -> None:
    made = await cluster_client.put("computes/k8s", json=ATTACHED)
    assert made.status_code == 201, made.text
    shown = made.json()["properties"]
    assert (shown["computeType"], shown["isAttachedCompute"]) == ("Kubernetes", True)
    assert shown["resourceId"] == ATTACHED["properties"]["resourceId"]
    inner = shown["properties"]
    assert set(inner) == {"namespace", "defaultInstanceType", "instanceTypes"}
    limits = inner["instanceTypes"]["gpu"]["resources"]["limits"]
    assert limits == {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"}
    assert (await cluster_client.put("computes/k8s", json=made.json())).status_code == 200
    patch = {"properties": {"properties": {"defaultInstanceType": "defaultinstancetype"}}}
    changed = await cluster_client.patch("computes/k8s", json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["properties"]["properties"]["instanceTypes"] == inner["instanceTypes"]
    again = {"properties": {"properties": {"namespace": "other"}}}
    assert (await cluster_client.patch("computes/k8s", json=again)).status_code == 409
    detach = "computes/k8s?underlyingResourceAction=Detach"
    assert (await cluster_client.delete(detach)).status_code == 200


async def test_every_fault_of_what_is_to_be_attached_is_told_at_once(
    cluster_client: httpx.AsyncClient,
) -> None:
    wrong = {
        "vmSize": "Standard_DS3_v2",
        "namespace": "No Name",
        "relayConnectionString": "secret",
        "instanceTypes": {"a": {"nodeSelector": {"-": "x y"}, "resources": {"limits": {"cpu": 0}}}},
    }
    body = {"properties": {"computeType": "Kubernetes", "properties": wrong}}
    reply = await cluster_client.put("computes/k8s", json=body)
    assert reply.status_code == 400
    at = "properties.properties"
    assert {each["target"] for each in reply.json()["error"]["details"]} >= {
        f"{at}.vmSize",
        f"{at}.namespace",
        f"{at}.relayConnectionString",
        f"{at}.instanceTypes.a.resources.limits.cpu",
    }


async def test_a_host_without_a_cluster_attaches_nothing_and_says_why(
    client: httpx.AsyncClient,
) -> None:
    reply = await client.put("computes/k8s", json=ATTACHED)
    assert reply.status_code == 400
    [detail] = reply.json()["error"]["details"]
    assert detail["target"] == "properties.computeType"
    assert "ML_ENDPOINTS_COMPUTE is not kubernetes" in detail["message"]


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
