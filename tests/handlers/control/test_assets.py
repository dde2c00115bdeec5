from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers.control import assets
from handlers.http import Routes
from tests.kit.stages.asset_stage import CONDA, AssetStage, opened

FOLDER = "azureml://datastores/workspaceblobstore/paths/folder"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[AssetStage]:
    async with opened(tmp_path) as stage:
        await stage.upload("folder/file")
        yield stage


@pytest.fixture
def client(stage: AssetStage, routes: Routes, open_client: Any, scope: WorkspaceScope) -> Any:
    client: httpx.AsyncClient = open_client(assets.blueprint(routes, stage.registration))
    client.base_url = client.base_url.join(scope.id)
    return client


def properties_of(kind: str) -> dict[str, Any]:
    return {
        "models": {"modelUri": FOLDER, "modelType": "custom_model"},
        "codes": {"codeUri": FOLDER},
        "environments": {"condaFile": CONDA, "image": "mcr.example/base:1"},
        "data": {"dataUri": FOLDER, "dataType": "uri_folder"},
    }[kind]


kinds = pytest.mark.parametrize("kind", ["models", "codes", "environments", "data"])


@kinds
async def test_each_kind_lives_its_whole_life(
    client: httpx.AsyncClient, scope: WorkspaceScope, kind: str
) -> None:
    body = {"properties": {**properties_of(kind), "tags": {"a": "b"}}}
    made = await client.put(f"{kind}/thing/versions/1", json=body)
    assert made.status_code == 201, made.text
    answer = made.json()
    assert answer["id"] == scope.path(kind, "thing", "versions", "1")
    assert answer["type"] == f"Microsoft.MachineLearningServices/workspaces/{kind}/versions"
    assert answer["properties"]["provisioningState"] == "Succeeded"
    assert answer["systemData"]["createdBy"] == "a-owner"
    for name, value in properties_of(kind).items():
        assert answer["properties"][name] == value

    assert (await client.put(f"{kind}/thing/versions/1", json=answer)).status_code == 200
    read = await client.get(f"{kind}/thing/versions/1")
    assert read.json() == answer
    assert read.headers["etag"] == made.headers["etag"]

    patch = {"properties": {"description": "d", "tags": {"a": None, "c": "d"}}}
    changed = await client.patch(f"{kind}/thing/versions/1", json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["properties"]["tags"] == {"c": "d"}
    assert changed.headers["etag"] != made.headers["etag"]

    container = (await client.get(f"{kind}/thing")).json()
    assert container["properties"]["latestVersion"] == "1"
    assert container["properties"]["nextVersion"] == "2"
    assert (await client.put(f"{kind}/thing", json=container)).status_code == 200
    told = await client.patch(f"{kind}/thing", json={"properties": {"description": "all"}})
    assert told.json()["properties"]["description"] == "all"
    for path in (kind, f"{kind}/thing/versions"):
        assert len((await client.get(path)).json()["value"]) == 1

    assert (await client.delete(f"{kind}/thing/versions/1")).status_code == 200
    assert (await client.delete(f"{kind}/thing/versions/1")).status_code == 204
    assert (await client.get(f"{kind}/thing/versions/1")).status_code == 404
    assert (await client.delete(f"{kind}/thing")).status_code == 200
    assert (await client.delete(f"{kind}/thing")).status_code == 204
    assert (await client.get(f"{kind}/thing")).json()["error"]["code"] == "ResourceNotFound"


async def test_what_a_version_is_cannot_be_patched(client: httpx.AsyncClient) -> None:
    await client.put("models/m/versions/1", json={"properties": properties_of("models")})
    patch = {"properties": {"modelType": "triton_model"}}
    reply = await client.patch("models/m/versions/1", json=patch)
    assert reply.status_code == 409
    assert reply.json()["error"]["target"] == "properties.modelType"


async def test_conditions_travel_in_headers(client: httpx.AsyncClient) -> None:
    path, body = "models/m/versions/1", {"properties": properties_of("models")}
    assert (await client.put(path, json=body, headers={"If-Match": "*"})).status_code == 404
    made = await client.put(path, json=body, headers={"If-None-Match": "*"})
    assert made.status_code == 201
    again = await client.put(path, json=body, headers={"If-None-Match": "*"})
    assert again.status_code == 412
    patch = {"properties": {"description": "d"}}
    stale = await client.patch(path, json=patch, headers={"If-Match": "other"})
    assert stale.status_code == 412
    fresh = {"If-Match": made.headers["etag"]}
    assert (await client.patch(path, json=patch, headers=fresh)).status_code == 200
    assert (await client.delete(path, headers=fresh)).status_code == 412


async def test_the_sdks_code_upload_goes_through(
    client: httpx.AsyncClient, stage: AssetStage
) -> None:
    """facts/azure-ai-ml-client.md: look for the hash, start an upload, put files, register."""
    asked = await client.get(
        "codes/c/versions",
        params={"hash": "abc", "hashVersion": "202208", "api-version": "2023-04-01"},
    )
    assert (asked.status_code, asked.json()) == (200, {"value": []})
    started = await client.post(
        "codes/c/versions/1/startPendingUpload",
        json={"pendingUploadType": "TemporaryBlobReference"},
    )
    upload = started.json()
    reference = upload["blobReferenceForConsumption"]
    assert upload["pendingUploadType"] == "TemporaryBlobReference"
    assert reference["credential"]["credentialType"] == "SAS"
    assert reference["storageAccountArmId"].startswith("/subscriptions/")
    assert "sig=" in reference["credential"]["sasUri"]
    assert "sig=" not in reference["blobUri"]

    place = stage.blobs.locate(reference["blobUri"])
    assert place is not None
    await stage.blobs.write(place[0], "src/score.py", b"def run(): ...")
    body = {
        "properties": {
            "codeUri": f"{reference['blobUri']}/src",
            "isAnonymous": True,
            "properties": {"hash_sha256": "abc", "hash_version": "202208"},
        }
    }
    assert (await client.put("codes/c/versions/1", json=body)).status_code == 201
    found = await client.get("codes/c/versions", params={"hash": "abc", "hashVersion": "202208"})
    assert [each["name"] for each in found.json()["value"]] == ["1"]
    late = await client.post("codes/c/versions/1/startPendingUpload", json={})
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"pendingUploadType": "None"}, "pendingUploadType"),
        ({"pendingUploadId": "mine"}, "pendingUploadId"),
    ],
)
async def test_an_upload_of_another_kind_is_refused(
    client: httpx.AsyncClient, body: Any, target: str
) -> None:
    reply = await client.post("models/m/versions/1/startPendingUpload", json=body)
    assert (reply.status_code, reply.json()["error"]["target"]) == (400, target)


async def test_environments_have_no_uploads(client: httpx.AsyncClient) -> None:
    reply = await client.post("environments/e/versions/1/startPendingUpload", json={})
    assert reply.status_code == 404


@pytest.mark.parametrize(
    ("kind", "said", "target"),
    [
        ("environments", {"build": {"contextUri": "x"}}, "properties.build"),
        (
            "environments",
            {"inferenceConfig": {"scoringRoute": {"path": "x", "port": 1}}},
            "properties.inferenceConfig.scoringRoute.path",
        ),
        ("environments", {"osType": "Windows"}, "properties.osType"),
        ("environments", {"condaFile": "dependencies: [r-base]"}, "properties.condaFile"),
        ("environments", {"condaFile": 7}, "properties.condaFile"),
        ("environments", {"osType": "Plan9"}, "properties.osType"),
        ("models", {"modelUrl": "x"}, "properties.modelUrl"),
        ("models", {"modelType": "joblib"}, "properties.modelType"),
        ("models", {"autoDeleteSetting": {"value": "1"}}, "properties.autoDeleteSetting"),
        ("models", {"tags": {"a": {}}}, "properties.tags.a"),
        ("models", {"modelUri": "https://example.com/m.pkl"}, "properties.modelUri"),
        ("data", {"dataType": "mltable"}, "properties.dataUri"),
        ("codes", {"codeUri": f"{FOLDER}/file"}, "properties.codeUri"),
        ("codes", {"codeUri": None}, "properties.codeUri"),
    ],
)
async def test_what_would_mislead_is_refused_with_its_target(
    client: httpx.AsyncClient, kind: str, said: Any, target: str
) -> None:
    body = {"properties": {**properties_of(kind), **said}}
    reply = await client.put(f"{kind}/thing/versions/1", json=body)
    error = reply.json()["error"]
    assert reply.status_code == 400
    assert target in [detail["target"] for detail in error["details"]] or error["target"] == target


async def test_tags_beside_the_properties_are_refused(client: httpx.AsyncClient) -> None:
    body = {"properties": properties_of("models"), "tags": {"a": "b"}}
    error = (await client.put("models/m/versions/1", json=body)).json()["error"]
    assert "properties.tags" in error["message"]


async def test_a_conda_file_may_be_an_object(client: httpx.AsyncClient) -> None:
    body = {"properties": {"condaFile": {"dependencies": ["python", {"pip": ["joblib"]}]}}}
    reply = await client.put("environments/e/versions/1", json=body)
    assert reply.status_code == 201, reply.text
    assert reply.json()["properties"]["environmentType"] == "UserCreated"


async def test_a_hostile_conda_file_is_refused_not_swallowed(client: httpx.AsyncClient) -> None:
    for conda in ("a: &a [1]\nb: [*a, *a]", "[" * 50_000, "x" * 300_000, {"a": "x" * 300_000}):
        body = {"properties": {"condaFile": conda}}
        reply = await client.put("environments/e/versions/1", json=body)
        assert reply.status_code == 400
        assert reply.json()["error"]["target"] == "properties.condaFile"


async def test_versions_are_listed_page_by_page_in_the_order_asked_for(
    client: httpx.AsyncClient,
) -> None:
    for version in ("2", "1", "3"):
        body = {"properties": properties_of("models")}
        await client.put(f"models/m/versions/{version}", json=body)
    newest = await client.get("models/m/versions?$orderBy=createdtime desc&$top=1")
    assert [each["name"] for each in newest.json()["value"]] == ["3"]

    names, url = [], "models/m/versions?$orderBy=version asc&$top=2"
    while url:
        page = (await client.get(url)).json()
        names += [each["name"] for each in page["value"]]
        url = page.get("nextLink")
    assert names == ["1", "2", "3"]


async def test_what_is_archived_is_listed_only_when_asked_for(client: httpx.AsyncClient) -> None:
    archived = {"properties": {"isArchived": True}}
    await client.put("models/m/versions/1", json={"properties": properties_of("models")})
    await client.patch("models/m/versions/1", json=archived)
    await client.patch("models/m", json=archived)
    for path in ("models", "models/m/versions"):
        counts = [
            len((await client.get(path, params={"listViewType": view})).json()["value"])
            for view in ("ActiveOnly", "ArchivedOnly", "All")
        ]
        assert counts == [0, 1, 1]


@pytest.mark.parametrize(
    "query",
    [
        "$orderBy=size",
        "$orderBy=createdtime sideways",
        "$orderBy=version asc desc",
        "$top=0",
        "$top=x",
        "listViewType=Some",
        "$skip=x",
        "description=x",
        "properties=x",
    ],
)
async def test_a_list_that_cannot_be_had_is_refused(client: httpx.AsyncClient, query: str) -> None:
    await client.put("models/m/versions/1", json={"properties": properties_of("models")})
    reply = await client.get(f"models/m/versions?{query}")
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["target"] in query


@pytest.mark.parametrize("role", ["reader", None])
async def test_only_who_may_write_registers_and_uploads(
    stage: AssetStage, routes: Routes, open_client: Any, scope: WorkspaceScope, role: str | None
) -> None:
    client = open_client(assets.blueprint(routes, stage.registration), role=role)
    status = {"reader": 403, None: 401}[role]
    version = f"{scope.id}/models/m/versions/1"
    body = {"properties": properties_of("models")}
    assert (await client.put(version, json=body)).status_code == status
    assert (await client.delete(version)).status_code == status
    assert (await client.post(f"{version}/startPendingUpload", json={})).status_code == status
    read = await client.get(f"{scope.id}/models/m/versions")
    assert read.status_code == (200 if role else 401)


async def test_what_building_an_environment_came_to_is_read(
    client: httpx.AsyncClient, stage: AssetStage
) -> None:
    path = "environments/bare/versions/1"
    missing = await client.get(f"{path}/build")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "ResourceNotFound")
    await client.put(path, json={"properties": {"condaFile": "dependencies: [python]"}})
    none = await client.get(f"{path}/build")
    assert (none.status_code, none.json()["error"]["code"]) == (404, "EnvironmentNotBuilt")
    spec = (await stage.registration.environment("bare:1")).spec
    await stage.compute.premises.environments.ensure(spec)
    built = (await client.get(f"{path}/build")).json()["properties"]
    assert built["image"] is None
    assert built["lock"] == ""
    assert "built in" in built["log"]


async def test_a_build_of_an_environment_is_registered_with_its_context(
    client: httpx.AsyncClient, stage: AssetStage
) -> None:
    await stage.upload("context/Dockerfile", b"FROM scratch\n")
    build = {"contextUri": FOLDER.replace("folder", "context")}
    body = {"properties": {"build": build}}
    made = await client.put("environments/built/versions/1", json=body)
    assert made.status_code == 201, made.text
    told = made.json()["properties"]["build"]
    assert told == {**build, "dockerfilePath": "Dockerfile"}
    again = await client.put("environments/built/versions/1", json=made.json())
    assert again.status_code == 200, again.text
    wrong = {"properties": {"build": {**build, "dockerfilePath": "../etc/passwd"}}}
    refused = await client.put("environments/wrong/versions/1", json=wrong)
    assert refused.json()["error"]["target"] == "properties.build.dockerfilePath"
