"""Labels at the door."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers.control import assets
from handlers.control.registry import labels
from handlers.http import Routes
from tests.kit.stages.asset_stage import opened, register_assets


@pytest.fixture
async def client(tmp_path: Path, routes: Routes, open_client: Any, scope: WorkspaceScope) -> Any:
    async with opened(tmp_path) as stage:
        await register_assets(stage.registration, stage.blobs)
        client: httpx.AsyncClient = open_client(
            assets.blueprint(routes, stage.registration),
            labels.blueprint(routes, stage.registration.labels),
        )
        client.base_url = client.base_url.join(scope.id)
        yield client


def to(version: str) -> dict[str, Any]:
    return {"properties": {"version": version}}


async def test_a_label_is_given_read_listed_and_taken_away(
    client: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    made = await client.put("models/m/labels/Champion", json=to("1"))
    assert made.status_code == 201
    assert made.json() == {
        "id": scope.path("models", "m", "labels", "champion"),
        "name": "champion",
        "type": "Microsoft.MachineLearningServices/workspaces/models/labels",
        "properties": {"version": "1", "versionId": scope.path("models", "m", "versions", "1")},
    }
    again = await client.put("models/m/labels/champion", json=made.json())
    assert (again.status_code, again.headers["etag"]) == (200, made.headers["etag"])
    assert (await client.get("models/m/labels/champion")).json() == made.json()
    listed = (await client.get("models/m/labels")).json()["value"]
    assert [each["name"] for each in listed] == ["latest", "champion"]
    container = (await client.get("models/m")).json()
    assert container["properties"]["labels"] == {"latest": "1", "champion": "1"}
    assert (await client.put("models/m", json=container)).status_code == 200
    stale = await client.delete("models/m/labels/champion", headers={"If-Match": '"other"'})
    assert stale.status_code == 412
    assert (await client.delete("models/m/labels/champion")).status_code == 200
    assert (await client.delete("models/m/labels/champion")).status_code == 204
    assert (await client.get("models/m/labels/champion")).status_code == 404


async def test_every_kind_has_the_newest_under_latest_and_what_cannot_be_labelled_is_told(
    client: httpx.AsyncClient,
) -> None:
    for kind in ("models", "codes", "environments"):
        found = await client.get(f"{kind}/{kind[0]}/labels/LATEST")
        assert (found.json()["name"], found.json()["properties"]["version"]) == ("latest", "1")
    for path, body, status in (
        ("models/m/labels/latest", to("1"), 400),
        ("models/m/labels/champion", to("9"), 404),
        ("models/n/labels/champion", to("1"), 404),
        ("models/m/labels/champion", {"properties": {}}, 400),
        ("models/m/labels/champion", {"properties": {"version": "1", "stage": "x"}}, 400),
    ):
        refused = await client.put(path, json=body)
        assert refused.status_code == status, path
        assert refused.json()["error"]["message"]
