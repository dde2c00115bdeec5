"""Operations, polled as ARM clients do."""

import pytest

from domain.ports import WorkloadState
from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.handlers.control.test_online_endpoints import BLUE, DEPLOYMENT, IRIS, SDK_ENDPOINT


async def test_a_running_operation_tells_what_it_is_and_when_to_ask_again(
    plane: ControlPlane,
) -> None:
    client = plane.client()
    reply = await client.put(IRIS, SDK_ENDPOINT)
    url = reply.headers["Azure-AsyncOperation"]
    status = await client.http.get(url)
    body = status.json()
    assert status.status_code == 200
    assert body["status"] == "InProgress"
    assert body["name"] in body["id"]
    assert body["resourceId"] == f"{plane.routes.scope.id}/{IRIS}"
    assert (body["endTime"], "error" in body) == (None, False)
    result = await client.http.get(url.replace("mfeOperationsStatus", "mfeOperationResults"))
    assert result.status_code == 202
    assert result.headers["Location"].startswith(BASE_URL)
    await plane.stage.settle()
    body = (await client.http.get(url)).json()
    assert body["status"] == "Succeeded"
    assert body["endTime"] >= body["startTime"]


async def test_each_kind_of_mutation_is_polled_to_its_end(plane: ControlPlane) -> None:
    client = plane.client()
    await plane.stage.register_assets()
    created = await client.put(IRIS, SDK_ENDPOINT)
    assert created.status_code == 201
    assert (await client.finish(created)).json()["name"] == "iris"
    replaced = await client.put(IRIS, SDK_ENDPOINT)
    assert replaced.status_code == 200
    assert (await client.finish(replaced)).json()["name"] == "iris"
    patched = await client.patch(IRIS, {"tags": {"a": "b"}})
    assert patched.status_code == 202
    assert (await client.finish(patched)).json()["tags"] == {"a": "b"}
    posted = await client.post(f"{IRIS}/regenerateKeys", {"keyType": "Primary"})
    assert posted.status_code == 202
    assert (await client.finish(posted)).status_code == 200
    deployed = await client.put(BLUE, DEPLOYMENT)
    assert (await client.finish(deployed)).json()["name"] == "blue"
    deleted = await client.delete(IRIS)
    assert deleted.status_code == 202
    assert (await client.finish(deleted)).status_code == 204
    monitor = await client.http.get(deleted.headers["Azure-AsyncOperation"])
    assert monitor.json()["status"] == "Succeeded"


async def test_the_result_of_what_failed_is_its_error(plane: ControlPlane) -> None:
    client = plane.client()
    await plane.stage.register_assets()
    await client.finish(await client.put(IRIS, SDK_ENDPOINT))
    compute = plane.stage.compute
    compute.state, compute.code, compute.reason = WorkloadState.FAILED, "ImageBuildFailure", "why"
    reply = await client.put(BLUE, DEPLOYMENT)
    await plane.stage.settle()
    url = reply.headers["Azure-AsyncOperation"]
    state = (await client.http.get(url)).json()
    assert (state["status"], state["error"]["code"]) == ("Failed", "ImageBuildFailure")
    result = await client.http.get(url.replace("mfeOperationsStatus", "mfeOperationResults"))
    assert result.status_code == 409
    assert result.json()["error"]["message"] == "why"


async def test_an_operation_that_a_delete_cut_short_is_canceled(plane: ControlPlane) -> None:
    client = plane.client()
    await plane.stage.register_assets()
    created = await client.put(IRIS, SDK_ENDPOINT)
    deleted = await client.delete(IRIS)
    url = created.headers["Azure-AsyncOperation"]
    assert (await client.http.get(url)).json()["status"] == "Canceled"
    result = await client.http.get(url.replace("mfeOperationsStatus", "mfeOperationResults"))
    assert result.json()["error"]["code"] == "OperationCanceled"
    again = await client.delete(IRIS)
    assert again.headers["Location"] == deleted.headers["Location"]
    assert (await client.finish(again)).status_code == 204


async def test_the_result_of_what_has_been_deleted_since_is_404(plane: ControlPlane) -> None:
    client = plane.client()
    patched = await client.put(IRIS, SDK_ENDPOINT)
    await client.finish(patched)
    await client.finish(await client.delete(IRIS))
    url = patched.headers["Azure-AsyncOperation"]
    assert (await client.http.get(url)).json()["status"] == "Succeeded"
    result = await client.http.get(url.replace("mfeOperationsStatus", "mfeOperationResults"))
    assert result.status_code == 404


@pytest.mark.parametrize("collection", ["mfeOperationsStatus", "mfeOperationResults"])
@pytest.mark.parametrize(
    "id",
    [
        "x",
        "onlineEndpoints:iris:00000000-0000-0000-0000-000000000000",
        "onlineEndpoints%3Airis%3A00000000-0000-0000-0000-000000000000",
        "endpoint",
        "a%2F..%2Fb:00000000-0000-0000-0000-000000000000",
        "%00:%00",
        "x" * 5000,
    ],
)
async def test_an_unknown_operation_is_404(plane: ControlPlane, collection: str, id: str) -> None:
    reply = await plane.client().get(f"{collection}/{id}")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "OperationNotFound"


async def test_a_reader_may_poll(plane: ControlPlane) -> None:
    reply = await plane.client().put(IRIS, SDK_ENDPOINT)
    polled = await plane.client("reader").http.get(reply.headers["Azure-AsyncOperation"])
    assert polled.status_code == 200
