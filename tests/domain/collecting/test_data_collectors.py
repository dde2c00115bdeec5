"""Data collectors of deployments, over two gateways with scripted models."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Unavailable
from domain.ports import Instance, ScoringRequest, ScoringResponse
from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import Gateways, opened

CONTAINER = "workspaceblobstore"
PAYLOAD = {name: {"dataCollectionMode": "enabled"} for name in ("request", "response")}
INPUTS = {"model_inputs": {"dataCollectionMode": "Enabled"}}


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    settings = {"period": "300", "max_memory": "100000", "max_bytes": "1000"}
    async with opened(tmp_path, settings={f"collect_{n}": v for n, v in settings.items()}) as each:
        yield each


async def iris(gateways: Gateways, collections: dict[str, Any], **more: Any) -> None:
    await gateways.iris()
    await gateways.put_deployment("blue", dataCollector={"collections": collections, **more})
    await gateways.patch(traffic={"blue": 100})


async def written(gateways: Gateways, collection: str) -> list[dict[str, Any]]:
    """What is there once both gateways have ended."""
    for gateway in gateways.all:
        await gateway.application.scoring.close(grace=60)
    prefix = f"modelDataCollector/iris/blue/{collection}/"
    lines = b""
    async for blob in gateways.blobs.list(CONTAINER, prefix):
        if blob.name.endswith(".jsonl"):
            lines += b"".join([p async for p in gateways.blobs.read(CONTAINER, blob.name)])
    return [json.loads(line) for line in lines.splitlines()]


async def counted(gateways: Gateways, metric: str, *by: str) -> dict[tuple[str, ...], float]:
    """By the values of its dimensions, as figures over time tell it."""
    for gateway in gateways.all:
        await gateway.application.figures.gathering.flush()
    which = " and ".join(f"{name} eq '*'" for name in by)
    query = f"metricnames={metric}&interval=FULL&aggregation=Total&$filter={which}"
    metrics = "providers/Microsoft.Insights/metrics"
    gateways.clock.move(1)
    reply = await gateways.one.arm(
        "GET", f"onlineEndpoints/iris/deployments/blue/{metrics}?{query}"
    )
    found = {}
    for each in reply.json()["value"][0]["timeseries"]:
        told = {v["name"]["value"].casefold(): v["value"] for v in each["metadatavalues"]}
        found[tuple(told[name] for name in by)] = each["data"][0]["total"]
    return found


def answers(content: bytes = b"[7]", collected: bytes = b"") -> Any:
    left = [collected]

    def script(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        if request.path == "/collected":
            return says(body=left.pop() if left else b"")
        return says(200, content, [("content-type", "application/json"), ("x-model", "m")])

    return script


async def test_payloads_are_kept_by_every_gateway_and_joined_by_their_request(
    gateways: Gateways,
) -> None:
    await iris(gateways, PAYLOAD, requestLogging={"captureHeaders": ["X-Model", "x-tenant"]})
    gateways.scorer.script = answers()
    await gateways.one.score(content=b"[1]", x_request_id="one", x_tenant="acme")
    await gateways.other.score(content=b"[2]", x_request_id="other")
    asked = {each["correlationid"]: each for each in await written(gateways, "request")}
    answered = {each["correlationid"]: each for each in await written(gateways, "response")}
    assert {id: each["data"] for id, each in asked.items()} == {"one": [1], "other": [2]}
    assert asked["one"]["headerxtenant"] == "acme"
    assert {id: each["data"] for id, each in answered.items()} == {"one": [7], "other": [7]}
    assert answered["one"]["headerxmodel"] == "m"
    assert answered["one"]["statuscode"] == "200"
    source = asked["one"]["source"]
    assert source == f"{gateways.one.application.scope.id}/onlineEndpoints/iris/deployments/blue"


async def test_lines_of_several_times_of_writing_are_in_one_blob(gateways: Gateways) -> None:
    await iris(gateways, PAYLOAD)
    gateways.scorer.script = answers()
    writing = gateways.one.application.collecting.writing
    for number in range(3):
        await gateways.one.score(content=f"[{number}]".encode())
        await writing.flush()
    assert [each["data"] for each in await written(gateways, "request")] == [[0], [1], [2]]
    prefix = "modelDataCollector/iris/blue/request/"
    assert len([blob async for blob in gateways.blobs.list(CONTAINER, prefix)]) == 1


async def test_what_is_not_enabled_or_not_sampled_is_not_kept(gateways: Gateways) -> None:
    rarely = {"dataCollectionMode": "enabled", "samplingRate": 0}
    collections = {"request": {"dataCollectionMode": "disabled"}, "response": rarely}
    await iris(gateways, collections)
    gateways.scorer.script = answers()
    await gateways.one.score()
    assert await written(gateways, "request") == await written(gateways, "response") == []


async def test_a_store_that_is_out_loses_nothing_and_fails_nobody(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    await iris(gateways, PAYLOAD)
    gateways.scorer.script = answers()
    writing = gateways.one.application.collecting.writing
    with monkeypatch.context() as patched:

        async def fails(*_: object, **__: object) -> None:
            raise Unavailable("The store is away.")

        patched.setattr(gateways.blobs, "stage_block", fails)
        assert (await gateways.one.score(content=b"[1]")).status_code == 200
        await writing.flush()
    assert [each["data"] for each in await written(gateways, "request")] == [[1]]


async def test_memory_is_bounded_and_what_is_lost_is_counted(gateways: Gateways) -> None:
    await iris(gateways, {"request": PAYLOAD["request"]})
    gateways.scorer.script = answers()
    for _ in range(80):
        assert (await gateways.one.score(content=b"[" + b" " * 500 + b"]")).status_code == 200
    await gateways.one.score(content=b"[" + b" " * 5000 + b"]")
    kept = len(await written(gateways, "request"))
    lost = await counted(gateways, "DataCollectionErrorsPerMinute", "type", "reason")
    assert 50 < kept < 80
    assert lost == {("request", "NoRoom"): 80 - kept, ("request", "TooLarge"): 1}


async def test_written_records_are_counted(gateways: Gateways) -> None:
    await iris(gateways, PAYLOAD)
    gateways.scorer.script = answers()
    await gateways.one.score()
    await written(gateways, "request")
    found = await counted(gateways, "DataCollectionEventsPerMinute", "type")
    assert found == {("request",): 1, ("response",): 1}


async def test_what_scripts_collect_is_taken_from_their_instances(gateways: Gateways) -> None:
    await iris(gateways, INPUTS)
    told = {
        "collection": "model_inputs",
        "time": 1_700_000_000.5,
        "correlation": "mine",
        "request": "of-the-caller",
        "type": "pandas.core.frame.DataFrame",
        "data": '[{"x": 1}]',
        "headers": {"X-A": "b"},
    }
    lines = [told, {"collection": "model_inputs", "lost": 3}, {"collection": "others", "data": "1"}]
    content = b"".join(json.dumps(each).encode() + b"\n" for each in lines) + b"no json\n"
    gateways.scorer.script = answers(collected=content)
    await gateways.one.score()
    [found] = await written(gateways, "model_inputs")
    assert found["data"] == [{"x": 1}]
    assert (found["correlationid"], found["xrequestid"]) == ("mine", "of-the-caller")
    assert (found["time"], found["xa"]) == ("2023-11-14T22:13:20.500Z", "b")
    assert found["collectdatatype"] == "pandas.core.frame.DataFrame"
    lost = await counted(gateways, "DataCollectionErrorsPerMinute", "type", "reason")
    assert lost == {("model_inputs", "NoRoom"): 3, ("", "NotReadable"): 2}


async def test_instances_are_told_which_collections_their_script_may_fill(
    gateways: Gateways,
) -> None:
    await iris(gateways, {**PAYLOAD, **INPUTS})
    workload = gateways.compute.running["online/iris/blue"]
    variables = workload.program.environment_variables
    assert json.loads(variables["ML_ENDPOINTS_DATA_COLLECTOR"]) == {"model_inputs": 1.0}


async def test_every_fault_of_a_collector_is_told_at_once(gateways: Gateways) -> None:
    await gateways.iris()
    collections: dict[str, Any] = {f"c{number}": {} for number in range(5)}
    collections |= {"a/b": {"dataId": "azureml:no:1"}}
    collector = {
        "collections": collections,
        "requestLogging": {"captureHeaders": ["Authorization"]},
    }
    body = {
        "properties": {
            "model": "azureml:m:1",
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
            "environmentId": "azureml:e:1",
            "dataCollector": collector,
        }
    }
    reply = await gateways.one.arm("PUT", "onlineEndpoints/iris/deployments/blue", body)
    assert reply.status_code == 400
    at = "properties.dataCollector"
    assert [each["target"] for each in reply.json()["error"]["details"]] == [
        f"{at}.collections",
        f"{at}.collections",
        f"{at}.requestLogging.captureHeaders",
        f"{at}.collections.a/b.dataId",
    ]


async def test_a_data_asset_says_where_a_collection_lies(gateways: Gateways) -> None:
    await gateways.iris()
    place = f"azureml://datastores/{CONTAINER}/paths/modelDataCollector/mine"
    asset = {"properties": {"dataType": "uri_folder", "dataUri": place}}
    reply = await gateways.one.arm("PUT", "data/mine/versions/1", asset)
    assert reply.status_code == 201, reply.text
    request = {"dataCollectionMode": "enabled", "dataId": "azureml:mine:1"}
    await gateways.put_deployment("blue", dataCollector={"collections": {"request": request}})
    await gateways.patch(traffic={"blue": 100})
    gateways.scorer.script = answers()
    await gateways.one.score()
    await gateways.one.application.scoring.close(grace=60)
    assert [blob async for blob in gateways.blobs.list(CONTAINER, "modelDataCollector/mine/")]
