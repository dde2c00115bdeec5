"""Batch endpoints and deployments as ARM clients and the SDK meet them."""

from typing import Any

import pytest

from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.kit.arm_client import ArmClient

SCAN = "batchEndpoints/scan"
ONE = f"{SCAN}/deployments/one"

SDK_ENDPOINT: dict[str, Any] = {
    "location": "westeurope",
    "properties": {"authMode": "AADToken", "properties": {}, "defaults": {}},
    "tags": {},
}
SDK_DEPLOYMENT: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "model": {"referenceType": "Id", "assetId": "azureml:m:1"},
        "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
        "environmentId": "azureml:e:1",
        "environmentVariables": {},
        "compute": "azureml:local",
        "resources": {"instanceCount": 2, "properties": {}},
        "miniBatchSize": 5,
        "errorThreshold": -1,
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        "maxConcurrencyPerInstance": 2,
        "outputAction": "AppendRow",
        "outputFileName": "predictions.csv",
        "loggingLevel": "Info",
        "properties": {},
    },
    "tags": {},
}


async def with_one(plane: ControlPlane) -> ArmClient:
    client = plane.client()
    await plane.stage.register_assets()
    assert (await client.finish(await client.put(SCAN, SDK_ENDPOINT))).status_code == 200
    reply = await client.put(ONE, SDK_DEPLOYMENT)
    assert reply.status_code == 201, reply.text
    assert (await client.finish(reply)).status_code == 200
    return client


async def test_the_sdk_s_endpoint_and_deployment_read_back(plane: ControlPlane) -> None:
    client = await with_one(plane)
    endpoint = (await client.get(SCAN)).json()
    assert endpoint["properties"]["authMode"] == "AADToken"
    assert endpoint["properties"]["scoringUri"] == f"{BASE_URL}/endpoints/scan/jobs"
    assert endpoint["properties"]["defaults"] == {"deploymentName": None}
    deployment = (await client.get(ONE)).json()["properties"]
    assert deployment["provisioningState"] == "Succeeded"
    assert deployment["model"]["assetId"].endswith("/models/m/versions/1")
    for field in ("miniBatchSize", "errorThreshold", "outputAction", "retrySettings"):
        assert deployment[field] == SDK_DEPLOYMENT["properties"][field]
    assert deployment["resources"]["instanceCount"] == 2
    assert deployment["properties"]["AzureAsyncOperationUri"]


async def test_the_default_deployment_is_named_by_patch_and_kept(plane: ControlPlane) -> None:
    client = await with_one(plane)
    patch = {"properties": {"defaults": {"deploymentName": "one"}}}
    named = (await client.finish(await client.patch(SCAN, patch))).json()
    assert named["properties"]["defaults"] == {"deploymentName": "one"}
    refused = await client.delete(ONE)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "DeploymentIsDefault"
    nothing = {"properties": {"defaults": {"deploymentName": None}}}
    await client.finish(await client.patch(SCAN, nothing))
    assert (await client.finish(await client.delete(ONE))).status_code == 204


@pytest.mark.parametrize("path", [SCAN, ONE])
async def test_what_was_read_can_be_put_back(plane: ControlPlane, path: str) -> None:
    client = await with_one(plane)
    for _ in range(2):
        body = (await client.get(path)).json()
        reply = await client.put(path, body)
        assert reply.status_code == 200, reply.text
        await client.finish(reply)


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({"authMode": "AMLToken"}, "properties.authMode"),
        ({"defaults": {"deploymentName": "none"}}, "properties.defaults.deploymentName"),
        ({"keys": {"primaryKey": "x" * 20}}, "properties.keys"),
        ({"traffic": {"a": 100}}, "properties.traffic"),
    ],
)
async def test_what_a_batch_endpoint_cannot_be_is_refused(
    plane: ControlPlane, properties: dict[str, Any], target: str
) -> None:
    reply = await plane.client().put(SCAN, {"properties": properties})
    assert reply.status_code == 400
    assert reply.json()["error"]["target"] == target


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("miniBatchSize", 0),
        ("miniBatchSize", 2**40),
        ("errorThreshold", -2),
        ("maxConcurrencyPerInstance", 0),
        ("outputAction", "Shout"),
        ("outputFileName", "../x.csv"),
        ("outputFileName", ""),
        ("deploymentConfiguration", {"deploymentConfigurationType": "PipelineComponent"}),
        ("compute", "azureml:nowhere"),
        ("loggingLevel", "Loud"),
    ],
)
async def test_a_setting_out_of_bounds_is_refused_with_its_target(
    plane: ControlPlane, field: str, value: Any
) -> None:
    client = plane.client()
    await plane.stage.register_assets()
    await client.put(SCAN, SDK_ENDPOINT)
    body = {"properties": {**SDK_DEPLOYMENT["properties"], field: value}}
    reply = await client.put(ONE, body)
    assert reply.status_code == 400
    assert reply.json()["error"]["target"] == f"properties.{field}"


async def test_deleting_the_endpoint_takes_its_deployments(plane: ControlPlane) -> None:
    client = await with_one(plane)
    assert (await client.finish(await client.delete(SCAN))).status_code == 204
    assert (await client.get(ONE)).status_code == 404
    assert (await client.get("batchEndpoints")).json() == {"value": []}


async def test_a_misspelt_field_hides_no_other_fault(plane: ControlPlane) -> None:
    client = await with_one(plane)
    properties = {
        **SDK_DEPLOYMENT["properties"],
        "miniBatchSise": 5,
        "resources": {"instanceType": "Standard_Nothing"},
    }
    reply = await client.put(f"{SCAN}/deployments/two", {"properties": properties})
    assert reply.status_code == 400
    targets = {each["target"] for each in reply.json()["error"]["details"]}
    assert targets == {"properties.miniBatchSise", "properties.resources.instanceType"}


async def test_a_setting_of_our_own_is_shown_and_kept(plane: ControlPlane) -> None:
    client = await with_one(plane)
    assert (await client.get(ONE)).json()["properties"]["bisectFailures"] is True
    patch = {"properties": {"bisectFailures": False}}
    assert (await client.finish(await client.patch(ONE, patch))).status_code == 200
    await client.finish(await client.patch(ONE, {"properties": {"description": "quick"}}))
    assert (await client.get(ONE)).json()["properties"]["bisectFailures"] is False
