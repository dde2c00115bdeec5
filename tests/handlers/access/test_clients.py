"""Clients and their roles, made, changed and removed by owners."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.names import WorkspaceScope
from handlers.access import clients
from handlers.http import Routes
from infra.embedded.access.clients import ClientRegistry
from infra.embedded.access.own_clients import OwnClients
from infra.web.directory_clients import DirectoryClients
from infra.web.no_clients import NoClients
from tests.handlers.conftest import OpenClient
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


@pytest.fixture
def registry(tmp_path: Path) -> ClientRegistry:
    registry = ClientRegistry(tmp_path / "secrets")
    registry.add("owner", "owner")
    return registry


@pytest.fixture
def door(
    registry: ClientRegistry, routes: Routes, open_client: OpenClient, tmp_path: Path
) -> httpx.AsyncClient:
    own = OwnClients(registry, tmp_path / "connection.json", lambda client, seconds: client.role)
    return open_client(clients.blueprint(routes, own))


@pytest.fixture
def ci(scope: WorkspaceScope) -> str:
    return scope.path("clients", "ci")


def role(name: str) -> dict[str, dict[str, str]]:
    return {"properties": {"role": name}}


async def test_a_client_is_made_changed_and_removed(
    door: httpx.AsyncClient, registry: ClientRegistry, ci: str, scope: WorkspaceScope
) -> None:
    made = await door.put(ci, json=role("scorer/onlineEndpoints/iris"))
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    told = made.json()["properties"]
    known = registry.authenticate(told["clientId"], told.pop("clientSecret"))
    assert known is not None
    assert told == {"clientId": known.client_id, "role": "scorer/onlineEndpoints/iris"}

    read = await door.get(ci)
    assert read.json()["properties"] == told
    assert read.headers["etag"] == made.headers["etag"]
    changed = await door.put(ci, json=role("reader"))
    assert (changed.status_code, changed.json()["properties"]["role"]) == (200, "reader")
    assert "clientSecret" not in changed.text
    stale = await door.patch(ci, json=role("owner"), headers={"if-match": made.headers["etag"]})
    assert stale.status_code == 412
    assert (await door.patch(ci, json=role("contributor"))).status_code == 200
    listed = (await door.get(scope.path("clients"))).json()["value"]
    assert [(c["name"], c["properties"]["role"]) for c in listed] == [
        ("owner", "owner"),
        ("ci", "contributor"),
    ]

    renewed = (await door.post(f"{ci}/regenerateSecret")).json()["properties"]
    assert registry.authenticate(renewed["clientId"], renewed["clientSecret"]) is not None
    assert (await door.delete(ci)).status_code == 200
    assert registry.authenticate(renewed["clientId"], renewed["clientSecret"]) is None
    assert (await door.delete(ci)).status_code == 204
    assert (await door.get(ci)).status_code == 404
    assert (await door.post(f"{ci}/regenerateSecret")).status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "target"),
    [
        ("ci", role("king"), "properties.role"),
        ("ci", role("scorer/a b"), "properties.role"),
        ("ci", {"properties": {}}, "properties.role"),
        ("%2e%2e%2fci", role("reader"), "name"),
    ],
)
async def test_what_is_no_name_or_role_is_refused(
    door: httpx.AsyncClient, scope: WorkspaceScope, name: str, body: object, target: str
) -> None:
    refused = await door.put(scope.path("clients", name), json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["target"] == target


async def test_the_last_owner_cannot_be_removed(
    door: httpx.AsyncClient, scope: WorkspaceScope
) -> None:
    owner = scope.path("clients", "owner")
    for refused in (await door.delete(owner), await door.put(owner, json=role("reader"))):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "LastOwner")
    await door.put(scope.path("clients", "chief"), json=role("owner"))
    assert (await door.delete(owner)).status_code == 200


@pytest.mark.parametrize(
    "role_name", ["reader", "contributor", "scorer", "owner/onlineEndpoints/iris"]
)
async def test_owners_of_the_workspace_alone_see_and_change_them(
    door: httpx.AsyncClient, ci: str, scope: WorkspaceScope, role_name: str
) -> None:
    bearer = {"authorization": f"Bearer {role_name}"}
    for method in ("PUT", "PATCH", "DELETE", "GET"):
        reply = await door.request(method, ci, json=role("owner"), headers=bearer)
        assert reply.status_code == 403, method
    assert (await door.get(scope.path("clients"), headers=bearer)).status_code == 403
    assert (await door.post(f"{ci}/regenerateSecret", headers=bearer)).status_code == 403


async def test_where_a_directory_keeps_them_its_object_ids_are_given_roles(
    routes: Routes, open_client: OpenClient, scope: WorkspaceScope
) -> None:
    clock = HeldClock()
    given_here = DirectoryClients(MemoryResourceStore(clock.unix), clock)
    door = open_client(clients.blueprint(routes, given_here))
    someone = scope.path("clients", "6F9619FF-8B86-D011-B42D-00CF4FC964FF")
    given = await door.put(someone, json=role("scorer/onlineEndpoints/iris"))
    assert given.status_code == 200
    assert given.json()["name"] == "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    assert given.json()["properties"]["role"] == "scorer/onlineEndpoints/iris"
    assert "clientSecret" not in given.json()["properties"]
    [listed] = (await door.get(scope.path("clients"))).json()["value"]
    assert listed["id"] == given.json()["id"]
    stale = {"If-Match": '"no such"'}
    assert (await door.put(someone, json=role("owner"), headers=stale)).status_code == 412
    assert (await door.delete(someone)).status_code == 200
    assert (await door.delete(someone)).status_code == 204

    by_name = await door.put(scope.path("clients", "ada"), json=role("reader"))
    assert by_name.status_code == 400
    assert "az ad user show" in by_name.json()["error"]["message"]
    secret = await door.post(f"{someone}/regenerateSecret")
    assert secret.json()["error"]["code"] == "NotSupported"
    assert "az ad app credential reset" in secret.json()["error"]["message"]


async def test_where_another_issuer_has_them_the_answer_says_so(
    routes: Routes, open_client: OpenClient, ci: str
) -> None:
    door = open_client(clients.blueprint(routes, NoClients("They are made elsewhere.")))
    for refused in (
        await door.put(ci, json=role("reader")),
        await door.get(ci),
        await door.delete(ci),
    ):
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "NotSupported"
        assert refused.json()["error"]["message"] == "They are made elsewhere."


async def tried(door: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    reply = await door.request(method, f"{path}?dryRun=true", **more)
    assert reply.status_code == 200, reply.text
    found = reply.json()["properties"]["changes"]
    return [(each["changeType"], each["resourceId"], each["delta"][0]["after"]) for each in found]


async def test_a_client_is_tried_and_nothing_is_written(
    door: httpx.AsyncClient, registry: ClientRegistry, ci: str, scope: WorkspaceScope
) -> None:
    before, owner = registry.file.read_bytes(), scope.path("clients", "owner")
    made = await tried(door, "PUT", ci, json=role("reader"))
    assert made == [("Create", ci, "reader")]
    [(kind, _, after)] = await tried(door, "PUT", owner, json=role("owner,reader"))
    assert (kind, after) == ("Modify", "owner,reader")
    assert await tried(door, "DELETE", ci) == []
    last = await door.delete(f"{owner}?dryRun=true")
    assert (last.status_code, last.json()["error"]["code"]) == (409, "LastOwner")
    wrong = await door.put(f"{ci}?dryRun=true", json=role("king"))
    assert wrong.status_code == 400
    assert registry.file.read_bytes() == before
    assert (await door.put(ci, json=role("reader"))).status_code == 201
    [(kind, where, _)] = await tried(door, "DELETE", ci)
    assert (kind, where) == ("Delete", ci)


async def test_a_role_in_a_directory_is_tried_and_nothing_is_written(
    routes: Routes, open_client: OpenClient, scope: WorkspaceScope
) -> None:
    clock = HeldClock()
    store = MemoryResourceStore(clock.unix)
    door = open_client(clients.blueprint(routes, DirectoryClients(store, clock)))
    someone = scope.path("clients", "6f9619ff-8b86-d011-b42d-00cf4fc964ff")
    assert await tried(door, "PUT", someone, json=role("reader")) == [("Create", someone, "reader")]
    assert (await door.get(scope.path("clients"))).json()["value"] == []
    assert (await door.put(someone, json=role("reader"))).status_code == 200
    [(kind, _, _)] = await tried(door, "DELETE", someone)
    assert kind == "Delete"
    assert (await door.get(someone)).status_code == 200
