"""Who deploys what: only what he may read, as the door sees it."""

from typing import Any

import httpx

from tests.handlers.conftest import ControlPlane
from tests.handlers.control.test_online_endpoints import BLUE, DEPLOYMENT, IRIS, with_blue
from tests.kit.arm_client import ArmClient

LIMITED = "contributor/onlineEndpoints/iris"
GREEN = f"{IRIS}/deployments/green"
READS = "reader/models/m", "reader/codes/c", "reader/environments/e"


def missing(reply: httpx.Response) -> dict[str, str]:
    """By what names it in the body, what may not be named."""
    assert reply.status_code == 403, reply.text
    error = reply.json()["error"]
    assert error["code"] == "AuthorizationFailed"
    return {detail["target"]: detail["message"] for detail in error["details"]}


async def changed(client: ArmClient, **properties: Any) -> httpx.Response:
    return await client.patch(BLUE, {"properties": properties})


async def test_what_may_not_be_read_is_not_deployed_and_all_of_it_is_told(
    plane: ControlPlane,
) -> None:
    await with_blue(plane)
    told = missing(await plane.client(LIMITED).put(GREEN, DEPLOYMENT))
    assert set(told) == {
        "properties.model",
        "properties.codeConfiguration.codeId",
        "properties.environmentId",
    }
    assert "'workspaces/codes/versions/read'" in told["properties.codeConfiguration.codeId"]
    assert "reader/codes/c" in told["properties.codeConfiguration.codeId"]
    # Whether it is there is not told to whom may not read it.
    body = {**DEPLOYMENT, "properties": {**DEPLOYMENT["properties"], "model": "azureml:none:7"}}
    none = missing(await plane.client(LIMITED).put(GREEN, body))["properties.model"]
    assert none == told["properties.model"].replace("models/m", "models/none")


async def test_each_of_model_code_and_environment_needs_the_right(plane: ControlPlane) -> None:
    await with_blue(plane)
    for left_out in READS:
        roles = [LIMITED, *(role for role in READS if role != left_out)]
        assert len(missing(await plane.client("+".join(roles)).put(GREEN, DEPLOYMENT))) == 1
    client = plane.client("+".join((LIMITED, *READS)))
    await client.finish(await client.put(GREEN, DEPLOYMENT))
    for path in ("models/m/versions/1", "codes/c/versions", "environments/e"):
        assert (await client.get(path)).status_code == 200


async def test_a_role_for_one_asset_reads_it_and_no_more(plane: ControlPlane) -> None:
    await plane.stage.register_assets()
    client = plane.client("contributor/codes/c")
    assert (await client.get("codes/c/versions/1")).status_code == 200
    assert (await client.get("codes")).status_code == 403
    assert (await client.get("models/m/versions/1")).status_code == 403
    body = {"properties": {"codeUri": "azureml://datastores/workspaceblobstore/paths/src"}}
    assert (await client.put("codes/c/versions/2", body)).status_code == 403


async def test_what_is_deployed_may_be_scaled_and_described_but_not_run_otherwise(
    plane: ControlPlane,
) -> None:
    await with_blue(plane)
    client = plane.client(LIMITED)
    await client.finish(await client.patch(BLUE, {"sku": {"capacity": 2}}))
    await client.finish(await changed(client, description="mine", requestSettings=None))
    preload = await changed(client, environmentVariables={"LD_PRELOAD": "/model/evil.so"})
    assert len(missing(preload)) == 3
    script = await changed(client, codeConfiguration={"scoringScript": "other.py"})
    assert "properties.codeConfiguration.codeId" in missing(script)
    assert (await client.get(BLUE)).json()["properties"]["environmentVariables"] == {}


async def test_a_batch_deployment_needs_the_right_to_its_compute_and_a_job_to_its_data(
    plane: ControlPlane,
) -> None:
    await plane.stage.register_assets()
    owner = plane.client()
    sizes = {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 2}}
    cluster = {"computeType": "AmlCompute", "properties": sizes}
    made = await owner.put("computes/cluster", {"location": "here", "properties": cluster})
    assert made.status_code < 300, made.text
    await owner.finish(await owner.put("batchEndpoints/scan", {"properties": {}}))
    body = {
        "properties": {
            "model": {"referenceType": "Id", "assetId": "azureml:m:1"},
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
            "environmentId": "azureml:e:1",
            "compute": "azureml:cluster",
        }
    }
    path, role = "batchEndpoints/scan/deployments/one", "contributor/batchEndpoints/scan"
    told = missing(await plane.client(role).put(path, body))
    assert "'workspaces/computes/read'" in told["properties.compute"]
    assert len(told) == 4
    able = plane.client("+".join((role, *READS, "reader/computes/cluster")))
    await able.finish(await able.put(path, body))
    default = {"properties": {"defaults": {"deploymentName": "one"}}}
    await owner.finish(await owner.patch("batchEndpoints/scan", default))

    invoked = "/endpoints/scan/jobs"
    job = {"properties": {"InputData": {"in": {"JobInputType": "UriFolder", "Uri": "azureml:d:1"}}}}
    told = missing(await plane.client(role).http.post(invoked, json=job))
    assert "'workspaces/data/versions/read'" in told["properties.inputData.in.uri"]
