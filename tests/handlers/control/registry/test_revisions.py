"""What deployments were before, through the door."""

from typing import Any

from domain.provisioning.deployment_revisions import MOST
from tests.handlers.conftest import ControlPlane
from tests.handlers.control.test_online_endpoints import BLUE, DEPLOYMENT, IRIS, with_blue
from tests.kit.arm_client import ArmClient


async def revisions(client: ArmClient, path: str = BLUE) -> list[dict[str, Any]]:
    reply = await client.get(f"{path}/revisions")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["value"]
    return found


def described(text: str) -> dict[str, Any]:
    return {"properties": {"description": text}}


async def test_each_change_is_kept_with_who_asked_for_it_and_can_be_put_again(
    plane: ControlPlane,
) -> None:
    client = await with_blue(plane)
    [first] = await revisions(client)
    assert (first["isCurrent"], first["hasSucceeded"]) == (True, True)
    await client.finish(await client.patch(BLUE, described("second")))
    await client.finish(await client.patch(BLUE, {"sku": {"capacity": 2}}))
    await client.finish(await client.patch(BLUE, {"tags": {"team": "a"}}))
    # What changes nothing is no other revision.
    await client.finish(await client.patch(BLUE, {"tags": {"team": "a"}}))
    found = await revisions(client)
    assert [each["sku"]["capacity"] for each in found] == [2, 2, 1, 1]
    assert [each["properties"]["description"] for each in found] == [*["second"] * 3, None]
    assert [each["tags"] for each in found] == [{"team": "a"}, {}, {}, {}]
    assert [each["isCurrent"] for each in found] == [True, False, False, False]
    assert found[-1]["name"] == first["name"]
    assert all(each["systemData"]["createdBy"] for each in found)
    oldest = {name: found[-1][name] for name in ("tags", "sku", "properties")}
    await client.finish(await client.put(BLUE, {"location": "westeurope", **oldest}))
    now = (await client.get(BLUE)).json()
    assert (now["properties"]["description"], now["sku"]["capacity"]) == (None, 1)
    assert len(await revisions(client)) == 5


async def test_the_last_ones_are_kept_and_go_with_their_deployment(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    for number in range(MOST + 3):
        await client.finish(await client.patch(BLUE, described(str(number))))
    found = await revisions(client)
    assert len(found) == MOST
    assert found[0]["properties"]["description"] == str(MOST + 2)
    await client.finish(await client.delete(BLUE))
    assert (await client.get(f"{BLUE}/revisions")).status_code == 404
    await client.finish(await client.put(BLUE, DEPLOYMENT))
    assert len(await revisions(client)) == 1


async def test_batch_deployments_have_them_too(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    await client.finish(
        await client.put("batchEndpoints/lines", {"location": "local", "properties": {}})
    )
    path = "batchEndpoints/lines/deployments/only"
    body = {
        "location": "local",
        "properties": {
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
            "environmentId": "azureml:e:1",
            "model": {"referenceType": "Id", "assetId": "azureml:m:1"},
        },
    }
    await client.finish(await client.put(path, body))
    await client.finish(await client.patch(path, {"properties": {"miniBatchSize": 7}}))
    found = await revisions(client, path)
    assert [each["properties"]["miniBatchSize"] for each in found] == [7, 10]
    await client.finish(await client.delete("batchEndpoints/lines"))


async def test_a_refused_change_is_no_revision(plane: ControlPlane) -> None:
    client = await with_blue(plane)
    refused = await client.patch(BLUE, {"properties": {"instanceType": "no such"}})
    assert refused.status_code == 400
    await client.finish(await client.patch(IRIS, {"tags": {"team": "a"}}))
    assert len(await revisions(client)) == 1
