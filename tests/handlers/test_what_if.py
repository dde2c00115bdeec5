"""Requests that are tried: what they would change is told by the code that changes it, and nothing
is written."""

import sqlite3
from typing import Any

import pytest

from domain.ground.access import trusted
from domain.ground.resource import Conditions
from tests.handlers.conftest import ControlPlane
from tests.kit.stages.provisioning_stage import batch_deployment, batch_endpoint

BLUE = "onlineEndpoints/iris/deployments/blue"


def body(**properties: Any) -> dict[str, Any]:
    return {
        "properties": {
            "model": "azureml:m:1",
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
            "environmentId": "azureml:e:1",
            "instanceType": "Standard_F4s_v2",
            **properties,
        },
        "sku": {"name": "Default", "capacity": 1},
    }


def everything(plane: ControlPlane) -> list[list[Any]]:
    """Every document and every message, as the files have them."""
    found = []
    for name, table in (("documents", "documents"), ("queues", "messages")):
        file = sqlite3.connect(plane.stage.folder / f"{name}.db")
        found.append(file.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall())
        file.close()
    return found


def blobs(plane: ControlPlane) -> list[str]:
    return sorted(str(each) for each in plane.stage.folder.rglob("*") if each.is_file())


def changes(reply: Any) -> list[dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    assert reply.json()["status"] == "Succeeded"
    found: list[dict[str, Any]] = reply.json()["properties"]["changes"]
    return found


@pytest.fixture
async def iris(plane: ControlPlane) -> ControlPlane:
    """With the deployment blue, and a batch endpoint."""
    stage, client = plane.stage, plane.client()
    await stage.register_assets()
    await client.finish(await client.put("onlineEndpoints/iris", {"properties": {}}))
    await client.finish(await client.put(BLUE, body()))
    provisioning, me = stage.application.batch.provisioning, trusted("me")
    await provisioning.put_endpoint("scores", batch_endpoint(), me, Conditions())
    await provisioning.put_deployment("scores", "blue", batch_deployment(), me, Conditions())
    await stage.settle()
    return plane


async def test_what_a_put_would_change_is_told_by_field_with_restart_and_cost(
    iris: ControlPlane,
) -> None:
    client, before = iris.client(), everything(iris)
    changed = body(environmentVariables={"A": "1"}, instanceType="Standard_DS3_v2")
    changed["sku"]["capacity"] = 2
    [found] = changes(await client.put(f"{BLUE}?dryRun=true", changed))
    assert found["resourceId"].endswith(BLUE)
    assert found["changeType"] == "Modify"
    assert {(each["path"], each["before"], each["after"]) for each in found["delta"]} == {
        ("sku.capacity", 1, 2),
        ("properties.instanceType", "Standard_F4s_v2", "Standard_DS3_v2"),
        ("properties.environmentVariables.A", None, "1"),
    }
    told = found["consequences"]
    assert told["restarts"] is True
    cost = {"before": 4.056, "after": 14.064, "currency": "USD", "isSample": True}
    assert told["costPerDay"] == cost
    assert everything(iris) == before
    assert not await iris.stage.turn()


async def test_more_instances_restart_nothing_and_the_same_changes_nothing(
    iris: ControlPlane,
) -> None:
    client, before = iris.client(), everything(iris)
    [found] = changes(await client.patch(f"{BLUE}?dryRun=true", {"sku": {"capacity": 3}}))
    assert found["consequences"]["restarts"] is False
    iris.stage.compute.most = 2
    reply = await client.patch(f"{BLUE}?dryRun=true", {"sku": {"capacity": 3}})
    assert (reply.status_code, reply.json()["error"]["message"]) == (400, "There is room for 2.")
    iris.stage.compute.most = None
    assert changes(await client.put(f"{BLUE}?dryRun=true", body())) == []
    assert everything(iris) == before


async def test_what_would_be_refused_is_refused_with_every_fault(iris: ControlPlane) -> None:
    client, before = iris.client(), everything(iris)
    wrong = body(instanceType="Standard_Z", model="azureml:none:1", scoreing="x")
    tried = await client.put(f"{BLUE}?dryRun=true", wrong)
    assert everything(iris) == before
    real = await client.put(BLUE, wrong)
    assert (tried.status_code, tried.json()) == (real.status_code, real.json())
    assert tried.status_code == 400
    before = everything(iris)
    stale = {"If-Match": '"stale"'}
    reply = await client.put(f"{BLUE}?dryRun=true", body(), headers=stale)
    assert reply.status_code == 412
    reader = iris.client("reader")
    assert (await reader.put(f"{BLUE}?dryRun=true", body())).status_code == 403
    assert everything(iris) == before


async def test_deletions_creations_and_traffic_are_tried(iris: ControlPlane) -> None:
    client, before = iris.client(), everything(iris)
    found = changes(await client.delete("onlineEndpoints/iris?dryRun=true"))
    assert [each["changeType"] for each in found] == ["Delete", "Delete"]
    assert found[1]["consequences"]["costPerDay"]["after"] == 0.0
    assert changes(await client.delete("onlineEndpoints/none?dryRun=true")) == []
    traffic = {"properties": {"traffic": {"blue": 100}}}
    [found_traffic] = changes(await client.patch("onlineEndpoints/iris?dryRun=true", traffic))
    assert [each["path"] for each in found_traffic["delta"]] == ["properties.traffic.blue"]
    [made] = changes(await client.put("onlineEndpoints/rose?dryRun=true", {"properties": {}}))
    assert (made["changeType"], made["before"]) == ("Create", None)
    assert everything(iris) == before
    assert (await client.get("onlineEndpoints/rose")).status_code == 404


async def test_an_invocation_tells_the_job_that_it_would_start(iris: ControlPlane) -> None:
    client, before = iris.client(), everything(iris)
    uri = "azureml://datastores/workspaceblobstore/paths/in/"
    asked = {"properties": {"inputData": {"in": {"jobInputType": "UriFolder", "uri": uri}}}}
    named = {"azureml-model-deployment": "blue"}
    path = "/endpoints/scores/jobs?dryRun=true"
    [found] = changes(await client.http.post(path, json=asked, headers=named))
    assert found["changeType"] == "Create"
    assert (found["after"]["deploymentName"], found["after"]["inputs"]) == ("blue", {"in": uri})
    refused = await client.http.post(path, json={"properties": {"inputData": {}}}, headers=named)
    assert refused.status_code == 400
    assert everything(iris) == before
    assert (await client.get("jobs")).json()["value"] == []


async def test_a_budget_is_tried_and_what_is_not_offered_does_nothing(iris: ControlPlane) -> None:
    client, before = iris.client(), everything(iris)
    made = {"properties": {"amount": 5}}
    [found] = changes(await client.put("budgets/mine?dryRun=true", made))
    assert found["after"]["properties"]["amount"] == 5
    for path in ("clients/me", f"{BLUE}/getLogs"):
        reply = await client.put(f"{path}?dryRun=true", {})
        assert reply.status_code in (400, 404, 405, 501), reply.text
    assert (await client.put(f"{BLUE}?dryRun=maybe", body())).status_code == 400
    assert everything(iris) == before


async def test_a_connection_is_tried_and_no_secret_of_it_is_told(iris: ControlPlane) -> None:
    client = iris.client()
    target = {"category": "PythonFeed", "target": "https://packages.example/simple"}
    pat = {**target, "authType": "PAT", "credentials": {"pat": "s3cr3t-one"}}
    [made] = changes(await client.put("connections/feed?dryRun=true", {"properties": pat}))
    assert made["after"]["properties"]["credentials"] == "***"
    assert (await client.get("connections/feed")).status_code == 404
    assert (await client.put("connections/feed", {"properties": pat})).status_code == 200
    before = everything(iris)
    kept = {**target, "authType": "PAT"}
    assert changes(await client.put("connections/feed?dryRun=true", {"properties": kept})) == []
    other = {**pat, "credentials": {"pat": "s3cr3t-two"}}
    reply = await client.put("connections/feed?dryRun=true", {"properties": other})
    [change] = changes(reply)
    assert [each["path"] for each in change["delta"]] == ["properties.credentials"]
    assert "s3cr3t" not in reply.text
    [gone] = changes(await client.delete("connections/feed?dryRun=true"))
    assert (gone["changeType"], gone["resourceId"].endswith("/connections/feed")) == (
        "Delete",
        True,
    )
    assert everything(iris) == before


async def test_an_upload_is_tried_and_no_place_is_made(iris: ControlPlane) -> None:
    client, before, files = iris.client(), everything(iris), blobs(iris)
    start = "versions/2/startPendingUpload?dryRun=true"
    [found] = changes(await client.post(f"models/m/{start}", {}))
    assert found["resourceId"].endswith("/models/m/versions/2/pendingUploads")
    assert found["changeType"] == "Create"
    there = await client.post(f"models/m/{start.replace('2', '1')}", {})
    assert (there.status_code, there.json()["error"]["code"]) == (409, "AssetAlreadyExists")
    assert (everything(iris), blobs(iris)) == (before, files)


async def test_a_price_sheet_is_tried(iris: ControlPlane) -> None:
    client, before = iris.client(), everything(iris)
    sheet = {"properties": {"currency": "EUR", "instanceTypes": {"local": 0.5}}}
    [found] = changes(await client.put("priceSheets/default?dryRun=true", sheet))
    assert found["after"]["properties"]["instanceTypes"] == {"local": 0.5}
    assert everything(iris) == before


async def test_versions_of_assets_are_tried_and_no_file_is_written(iris: ControlPlane) -> None:
    stage, client = iris.stage, iris.client()
    read = (await client.get("models/m/versions/1")).json()["properties"]
    before, files = everything(iris), blobs(iris)
    new = {"properties": {"modelUri": read["modelUri"], "description": "tried"}}
    made = changes(await client.put("models/m/versions/2?dryRun=true", new))
    assert [(each["changeType"], each["resourceId"].partition("/models/")[2]) for each in made] == [
        ("Create", "m/versions/2")
    ]
    made = changes(await client.put("models/other/versions/1?dryRun=true", new))
    assert sorted(each["resourceId"].partition("/models/")[2] for each in made) == [
        "other",
        "other/versions/1",
    ]
    again = {"properties": {"modelUri": read["modelUri"], "isArchived": True}}
    [archived] = changes(await client.put("models/m/versions/1?dryRun=true", again))
    assert {each["path"] for each in archived["delta"]} >= {"properties.isArchived"}
    used = await client.delete("models/m/versions/1?dryRun=true")
    assert (used.status_code, used.json()["error"]["code"]) == (409, "AssetInUse"), used.text
    refused = await client.put("models/m/versions/3?dryRun=true", {"properties": {}})
    assert refused.status_code == 400
    assert (everything(iris), blobs(iris)) == (before, files)
    # What is only tried leaves what is done as it is.
    assert (await client.put("models/m/versions/2", new)).status_code == 201
    [gone] = changes(await client.delete("models/m/versions/2?dryRun=true"))
    assert (gone["changeType"], gone["after"]) == ("Delete", None)
    assert await stage.application.assets.registration.model("azureml:m@latest")


async def test_computes_and_subscriptions_are_tried(iris: ControlPlane) -> None:
    client, before = iris.client(), everything(iris)
    compute = {
        "properties": {
            "computeType": "AmlCompute",
            "properties": {
                "vmSize": "Standard_F4s_v2",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2},
            },
        }
    }
    [found] = changes(await client.put("computes/cluster?dryRun=true", compute))
    assert found["after"]["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 2
    hook = {"endpointUrl": "https://events.example/hook"}
    told = {"properties": {"destination": {"endpointType": "WebHook", "properties": hook}}}
    [found] = changes(await client.put("eventSubscriptions/mine?dryRun=true", told))
    assert (found["changeType"], "key" in str(found).casefold()) == ("Create", False)
    assert everything(iris) == before
    assert not await iris.stage.turn()


async def test_others_write_while_somebody_tries(iris: ControlPlane) -> None:
    client = iris.client()
    for _ in range(2):
        await client.put(f"{BLUE}?dryRun=true", body(description="tried"))
        made = await client.finish(await client.put(BLUE, body(description="done")))
        assert made.json()["properties"]["description"] == "done"
