"""Online endpoints and deployments as ARM clients and the SDK meet them."""

from typing import Any

import pytest

from domain.ports import WorkloadState
from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.kit.arm_client import ArmClient

IRIS = "onlineEndpoints/iris"
BLUE = f"{IRIS}/deployments/blue"

# What the SDK (azure-ai-ml 1.35) sends.
SDK_ENDPOINT: dict[str, Any] = {
    "location": "westeurope",
    "properties": {"authMode": "Key", "properties": {}, "traffic": {}, "mirrorTraffic": {}},
    "identity": {"type": "SystemAssigned"},
    "tags": {},
}
SDK_DEPLOYMENT: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "model": "azureml:m:1",
        "environmentVariables": {},
        "appInsightsEnabled": False,
        "instanceType": "Standard_DS3_v2",
        "endpointComputeType": "Managed",
    },
    "tags": {},
    "sku": {"name": "Default", "capacity": 1},
}
CODE = {"codeId": "azureml:c:1", "scoringScript": "score.py"}
DEPLOYMENT: dict[str, Any] = {
    **SDK_DEPLOYMENT,
    "properties": {
        **SDK_DEPLOYMENT["properties"],
        "codeConfiguration": CODE,
        "environmentId": "azureml:e:1",
    },
}


async def with_blue(plane: ControlPlane) -> ArmClient:
    client = plane.client()
    await plane.stage.register_assets()
    await client.finish(await client.put(IRIS, SDK_ENDPOINT))
    await client.finish(await client.put(BLUE, DEPLOYMENT))
    return client


async def test_the_sdk_s_endpoint_is_created_and_reads_back(plane: ControlPlane) -> None:
    client = plane.client()
    reply = await client.put(IRIS, SDK_ENDPOINT)
    assert reply.status_code == 201
    body = reply.json()
    assert body["properties"]["provisioningState"] == "Creating"
    uri = body["properties"]["properties"]["AzureAsyncOperationUri"]
    assert uri == reply.headers["Azure-AsyncOperation"]
    assert "/mfeOperationsStatus/" in uri
    final = await client.finish(reply)
    assert final.status_code == 200
    body = final.json()
    assert body["id"] == f"{plane.routes.scope.id}/onlineEndpoints/iris"
    assert body["name"] == "iris"
    assert body["type"] == "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
    assert body["location"] == "westeurope"
    assert body["identity"]["type"] == "SystemAssigned"
    properties = body["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["scoringUri"] == f"{BASE_URL}/endpoints/iris/score"
    assert properties["swaggerUri"] == f"{BASE_URL}/endpoints/iris/swagger.json"
    assert (properties["authMode"], properties["traffic"], properties["keys"]) == ("Key", {}, None)
    assert body["systemData"]["createdBy"] == "a-owner"


async def test_the_sdk_s_deployment_without_code_is_refused_with_reason_and_target(
    plane: ControlPlane,
) -> None:
    client = plane.client()
    await plane.stage.register_assets()
    await client.put(IRIS, SDK_ENDPOINT)
    reply = await client.put(BLUE, SDK_DEPLOYMENT)
    assert reply.status_code == 400
    details = {d["target"]: d["message"] for d in reply.json()["error"]["details"]}
    assert set(details) == {"properties.codeConfiguration", "properties.environmentId"}
    assert "A scoring script is needed" in details["properties.codeConfiguration"]


async def test_a_deployment_s_answer_has_what_the_sdk_reads(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    body = (await client.get(BLUE)).json()
    assert body["id"] == f"{plane.routes.scope.id}/{BLUE}"
    assert body["sku"] == {
        "name": "Default",
        "capacity": 1,
        "tier": None,
        "size": None,
        "family": None,
    }
    properties = body["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["scaleSettings"]["scaleType"] == "Default"
    assert properties["endpointComputeType"] == "Managed"
    assert properties["instanceType"] == "Standard_DS3_v2"
    assert properties["requestSettings"]["requestTimeout"] == "PT5S"
    assert properties["livenessProbe"]["initialDelay"] == "PT10S"
    assert properties["codeConfiguration"]["codeId"].endswith("/codes/c/versions/1")
    assert properties["properties"]["AzureAsyncOperationUri"]


async def test_an_autoscaled_deployment_tells_its_count_and_can_be_put_back(
    plane: ControlPlane,
) -> None:
    client = await with_blue(plane)
    scale = {"scaleType": "utilization", "minInstances": 2, "maxInstances": 3}
    wrong = await client.patch(BLUE, {"properties": {"scaleSettings": scale}})
    assert wrong.status_code == 400
    scale["scaleType"] = "TargetUtilization"
    await client.finish(await client.patch(BLUE, {"properties": {"scaleSettings": scale}}))
    body = (await client.get(BLUE)).json()
    assert body["properties"]["scaleStatus"] == {"instances": 2, "lastDecision": None}
    assert body["properties"]["scaleSettings"] == {
        **scale,
        "targetUtilizationPercentage": 70,
        "pollingInterval": "PT1S",
    }
    assert "scale" not in body
    reply = await client.put(BLUE, body)
    assert (await client.finish(reply)).json()["properties"]["scaleStatus"]["instances"] == 2
    listed = (await client.get(f"{IRIS}/deployments")).json()["value"]
    assert listed[0]["properties"]["scaleStatus"]["instances"] == 2
    backwards = {"scaleSettings": {"minInstances": 4}}
    refused = await client.patch(BLUE, {"properties": backwards})
    assert "minInstances is more than maxInstances" in refused.text


@pytest.mark.parametrize("path", [IRIS, BLUE])
async def test_what_was_read_can_be_put_back_again_and_again(
    plane: ControlPlane, path: str
) -> None:
    client = await with_blue(plane)
    for i in range(3):
        body = (await client.get(path)).json()
        body["tags"] = {"round": str(i)}
        reply = await client.put(path, body)
        assert reply.status_code == 200, reply.text
        assert (await client.finish(reply)).json()["tags"] == {"round": str(i)}
        patched = await client.patch(path, {"properties": body["properties"]})
        assert (await client.finish(patched)).status_code == 200, patched.text


async def test_traffic_is_moved_by_patch(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    await client.finish(await client.put(f"{IRIS}/deployments/green", DEPLOYMENT))
    for split in ({"blue": 100}, {"blue": 90, "green": 10}, {"blue": None, "green": 100}):
        reply = await client.patch(IRIS, {"properties": {"traffic": split}})
        assert reply.status_code == 202
        assert reply.headers["ETag"]
        assert reply.json()["properties"]["provisioningState"] == "Updating"
        final = (await client.finish(reply)).json()
        assert final["properties"]["traffic"] == {k: v for k, v in split.items() if v}
    refused = await client.patch(IRIS, {"properties": {"traffic": {"blue": 1}}})
    assert refused.status_code == 400
    assert refused.json()["error"]["target"] == "properties.traffic"


async def test_a_patch_of_nothing_there_is_404(plane: ControlPlane) -> None:
    client = plane.client()
    assert (await client.patch(IRIS, {})).status_code == 404
    assert (await client.patch(BLUE, {})).status_code == 404


async def test_a_patch_changes_tags_and_instance_count_alone(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    before = (await client.get(BLUE)).json()
    reply = await client.patch(BLUE, {"sku": {"capacity": 3}, "TAGS": {"a": "b"}})
    assert reply.json()["properties"]["provisioningState"] == "Scaling"
    after = (await client.finish(reply)).json()
    assert (after["sku"]["capacity"], after["tags"]) == (3, {"a": "b"})
    del before["properties"]["properties"], after["properties"]["properties"]
    assert after["properties"] == before["properties"]


async def test_keys_are_listed_and_regenerated(plane: ControlPlane) -> None:
    client = plane.client()
    await client.finish(await client.put(IRIS, SDK_ENDPOINT))
    listed = await client.post(f"{IRIS}/listKeys")
    assert listed.headers["Cache-Control"] == "no-store"
    before = listed.json()
    assert set(before) == {"primaryKey", "secondaryKey"}
    reply = await client.post(f"{IRIS}/regenerateKeys", {"keyType": "secondary"})
    assert reply.status_code == 202
    assert (await client.finish(reply)).status_code == 200
    after = (await client.post(f"{IRIS}/listKeys")).json()
    assert after["primaryKey"] == before["primaryKey"]
    assert after["secondaryKey"] != before["secondaryKey"]
    mine = {"keyType": "Primary", "keyValue": "a-key-of-the-caller-s-own"}
    await client.finish(await client.post(f"{IRIS}/regenerateKeys", mine))
    assert (await client.post(f"{IRIS}/listKeys")).json()["primaryKey"] == mine["keyValue"]


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, "keyType"),
        ({"keyType": "Tertiary"}, "keyType"),
        ({"keyType": "Primary", "keyValue": "short"}, "keyValue"),
        ({"keyType": "Primary", "keyValue": 3}, "keyValue"),
        ({"keyType": "Primary", "value": "x"}, "value"),
    ],
)
async def test_a_regeneration_that_makes_no_sense_is_refused(
    plane: ControlPlane, body: dict[str, Any], target: str
) -> None:
    client = plane.client()
    await client.finish(await client.put(IRIS, SDK_ENDPOINT))
    reply = await client.post(f"{IRIS}/regenerateKeys", body)
    assert reply.status_code == 400
    assert reply.json()["error"]["target"] == target


async def test_keys_brought_with_the_endpoint_are_used_and_never_shown(
    plane: ControlPlane,
) -> None:
    client = plane.client()
    key = "a-key-of-the-caller-s-own"
    properties = {**SDK_ENDPOINT["properties"], "keys": {"primaryKey": key}}
    reply = await client.put(IRIS, {**SDK_ENDPOINT, "properties": properties})
    assert key not in reply.text
    assert key not in (await client.finish(reply)).text
    assert (await client.post(f"{IRIS}/listKeys")).json()["primaryKey"] == key


async def test_logs_are_those_of_the_deployment(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    reply = await client.post(f"{BLUE}/getLogs", {"containerType": "InferenceServer", "tail": 3})
    assert reply.json() == {"content": "InferenceServer of online/iris/blue, 3"}
    assert (await client.post(f"{BLUE}/getLogs", {})).status_code == 200
    for body in ({"tail": 0}, {"tail": 10**6}, {"containerType": "Other"}):
        assert (await client.post(f"{BLUE}/getLogs", body)).status_code == 400
    filtered = (await client.post(f"{BLUE}/getLogs", {"tail": 3, "contains": "of"})).json()
    assert filtered["lines"][0]["message"] == filtered["content"]
    (other,) = (await client.post(f"{BLUE}/getLogs", {"cursor": filtered["cursor"]})).json()[
        "lines"
    ]
    assert other["message"] == "InferenceServer of online/iris/blue, 2000"
    for body in ({"cursor": "x"}, {"since": "soon"}, {"level": "Loud"}, {"wait": 100}):
        assert (await client.post(f"{BLUE}/getLogs", body)).status_code == 400
    missing = await client.post(f"{IRIS}/deployments/none/getLogs", {})
    assert missing.status_code == 404


async def test_a_failed_deployment_says_why_and_a_put_revives_it(plane: ControlPlane) -> None:
    compute = plane.stage.compute
    client = plane.client()
    await plane.stage.register_assets()
    await client.finish(await client.put(IRIS, SDK_ENDPOINT))
    compute.state = WorkloadState.FAILED
    compute.code, compute.reason = "UserScriptInitFailed", "ValueError: no model here"
    outcome = (await client.finish(await client.put(BLUE, DEPLOYMENT))).json()
    assert outcome["status"] == "Failed"
    assert outcome["error"]["code"] == "UserScriptInitFailed"
    body = (await client.get(BLUE)).json()
    assert body["properties"]["provisioningState"] == "Failed"
    assert body["properties"]["error"]["message"] == "ValueError: no model here"
    compute.state = WorkloadState.READY
    revived = (await client.finish(await client.put(BLUE, DEPLOYMENT))).json()
    assert revived["properties"]["provisioningState"] == "Succeeded"
    assert "error" not in revived["properties"]


async def test_a_deployment_that_holds_traffic_is_not_deleted(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    await client.finish(await client.patch(IRIS, {"properties": {"traffic": {"blue": 100}}}))
    reply = await client.delete(BLUE)
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "DeploymentHoldsTraffic"
    await client.finish(await client.patch(IRIS, {"properties": {"traffic": {"blue": 0}}}))
    assert (await client.finish(await client.delete(BLUE))).status_code == 204
    assert (await client.get(BLUE)).status_code == 404
    assert (await client.delete(BLUE)).status_code == 204


async def test_deleting_an_endpoint_takes_its_deployments(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    await client.finish(await client.patch(IRIS, {"properties": {"traffic": {"blue": 100}}}))
    reply = await client.delete(IRIS)
    assert (reply.status_code, reply.content) == (202, b"")
    assert (await client.get(BLUE)).json()["properties"]["provisioningState"] == "Deleting"
    assert (await client.finish(reply)).status_code == 204
    for path in (IRIS, BLUE, f"{IRIS}/deployments"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(IRIS)).status_code == 204
    assert plane.stage.compute.running == {}


async def test_lists_hold_what_there_is(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    listed = (await client.get("onlineEndpoints")).json()
    assert [item["name"] for item in listed["value"]] == ["iris"]
    assert "nextLink" not in listed
    listed = (await client.get(f"{IRIS}/deployments")).json()
    assert listed["value"] == [(await client.get(BLUE)).json()]


async def test_every_fault_is_told_at_once_with_its_target(plane: ControlPlane) -> None:
    client = plane.client()
    await plane.stage.register_assets()
    await client.put(IRIS, SDK_ENDPOINT)
    body = {
        "properties": {
            "model": "azureml:m:7",
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "../../etc/passwd"},
            "environmentId": "curated",
            "instanceType": "Standard_Nothing",
        }
    }
    reply = await client.put(f"{IRIS}/deployments/1", body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert {detail["target"] for detail in error["details"]} == {
        "name",
        "properties.model",
        "properties.codeConfiguration.scoringScript",
        "properties.environmentId",
        "properties.instanceType",
    }
    assert "5 faults" in error["message"]


async def test_a_misspelt_field_hides_no_other_fault(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    properties = {
        **DEPLOYMENT["properties"],
        "instanceType": "Standard_Nothing",
        "requestSetings": {"requestTimeout": "PT5S"},
        "livenessProbe": {"period": "often"},
        "enviromentId": "azureml:e:1",
    }
    del properties["environmentId"]
    body = {"properties": properties}
    for reply in (
        await client.put(f"{IRIS}/deployments/green", body),
        await client.patch(BLUE, body),
    ):
        assert reply.status_code == 400
        told = {each["target"]: each["message"] for each in reply.json()["error"]["details"]}
        assert set(told) == {
            "properties.requestSetings",
            "properties.enviromentId",
            "properties.livenessProbe.period",
            "properties.instanceType",
        }
        assert "requestSettings" in told["properties.requestSetings"]
        assert told["properties.instanceType"] == "There is no such instance type."


async def test_a_misspelt_field_of_an_endpoint_hides_no_other_fault(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    patch = {"properties": {"traffik": {"blue": 100}, "publicNetworkAccess": "Disabled"}}
    reply = await client.patch(IRIS, patch)
    assert reply.status_code == 400
    targets = {each["target"] for each in reply.json()["error"]["details"]}
    assert targets == {"properties.traffik", "properties.publicNetworkAccess"}


async def test_a_patch_of_traffic_says_what_it_merges_with(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    await client.finish(await client.put(f"{IRIS}/deployments/green", DEPLOYMENT))
    await client.finish(await client.patch(IRIS, {"properties": {"traffic": {"blue": 100}}}))
    reply = await client.patch(IRIS, {"properties": {"TRAFFIC": {"green": 50}}})
    assert reply.status_code == 400
    error = reply.json()["error"]
    [detail] = error["details"]
    assert detail["message"] == error["message"]
    assert error["message"] == (
        "Traffic sums to 150; it must sum to 100, or to 0 for none. PATCH merges: there was "
        "blue 100, and green 50 came to it, which makes blue 100, green 50. Say what becomes of "
        "the others, too; null removes one."
    )
    whole = {"properties": {"traffic": {"blue": 50, "green": 50}}}
    assert (await client.finish(await client.patch(IRIS, whole))).status_code == 200
    wrong = await client.patch(IRIS, {"properties": {"traffic": {"blue": 70, "green": 50}}})
    assert "PATCH merges" not in wrong.text


async def test_more_instances_than_there_is_room_for_are_refused_with_every_other_fault(
    plane: ControlPlane,
) -> None:
    client = await with_blue(plane)
    plane.stage.compute.most = 3
    many = {**DEPLOYMENT, "sku": {"name": "Default", "capacity": 50}}
    green = f"{IRIS}/deployments/green"
    for reply in (await client.put(green, many), await client.put(BLUE, many)):
        assert reply.status_code == 400
        [fault] = reply.json()["error"]["details"]
        assert (fault["code"], fault["target"]) == ("OutOfQuota", "sku.capacity")
        assert fault["message"] == "There is room for 3."
    both = {**many, "properties": {**many["properties"], "modelMountPath": "/x"}}
    reply = await client.put(green, both)
    codes = {fault["code"] for fault in reply.json()["error"]["details"]}
    assert codes == {"OutOfQuota", "NotSupported"}
    patched = await client.patch(BLUE, {"sku": {"capacity": 50}})
    assert patched.status_code == 400


async def test_what_runs_already_may_be_put_again_however_little_room_is_left(
    plane: ControlPlane,
) -> None:
    client = await with_blue(plane)
    plane.stage.compute.most = 0
    assert (await client.put(BLUE, {**DEPLOYMENT, "tags": {"a": "b"}})).status_code == 200


async def test_on_a_full_disk_no_deployment_is_begun_and_all_else_goes_on(
    plane: ControlPlane,
) -> None:
    client = await with_blue(plane)
    plane.stage.room.is_full = True
    other = {**DEPLOYMENT, "properties": {**DEPLOYMENT["properties"], "description": "another"}}
    green = f"{IRIS}/deployments/green"
    for reply in (await client.put(green, DEPLOYMENT), await client.put(BLUE, other)):
        assert reply.status_code == 507
        assert reply.json()["error"]["code"] == "InsufficientStorage"
        assert reply.json()["error"]["message"] == "There is no room: make some."
    scaled = await client.finish(await client.patch(BLUE, {"sku": {"capacity": 2}}))
    assert scaled.status_code == 200
    routed = await client.finish(
        await client.patch(IRIS, {"properties": {"traffic": {"blue": 100}}})
    )
    assert routed.status_code == 200
    plane.stage.room.is_full = False
    assert (await client.put(green, DEPLOYMENT)).status_code == 201
