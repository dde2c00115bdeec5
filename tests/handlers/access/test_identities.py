"""Managed identities and their roles as Azure's clients meet them."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.identities.identity_store import IdentityReading
from tests.handlers.conftest import ControlPlane
from tests.kit.arm_client import ArmClient

IRIS = "onlineEndpoints/iris"
ENDPOINT: dict[str, Any] = {"location": "here", "properties": {"authMode": "Key"}}
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class Azure:
    """What `az identity` and `az role` ask."""

    def __init__(self, plane: ControlPlane, client: ArmClient) -> None:
        self.client, self.http = client, client.http
        self.scope = plane.routes.scope.id
        self.group = self.scope.partition("/providers/")[0]
        self.account = f"{self.group}/providers/Microsoft.Storage/storageAccounts/local"

    def user(self, name: str = "") -> str:
        below = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
        return f"{self.group}/{below}/{name}".rstrip("/")

    def assignment(self, scope: str, name: str = "") -> str:
        return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}".rstrip("/")

    async def give(
        self, principal: str, role: str, scope: str, name: str | None = None
    ) -> httpx.Response:
        definition = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        asked = {"roleDefinitionId": definition, "principalId": principal}
        url = self.assignment(scope, name or str(uuid4()))
        return await self.http.put(url, json={"properties": asked})

    async def listed(self, scope: str, **query: str) -> list[dict[str, Any]]:
        answer = await self.http.get(self.assignment(scope), params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["value"]
        return found

    async def endpoint(self, **identity: Any) -> dict[str, Any]:
        body = {**ENDPOINT, "identity": identity}
        done = await self.client.finish(await self.client.put(IRIS, body))
        found: dict[str, Any] = done.json()["identity"]
        return found


@pytest.fixture
def azure(plane: ControlPlane) -> Azure:
    return Azure(plane, plane.client())


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_user_assigned_identity_is_made_tagged_listed_and_removed(azure: Azure) -> None:
    made = await azure.http.put(
        azure.user("reading"), json={"location": "here", "tags": {"a": "1"}}
    )
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["id"] == azure.user("reading")
    assert body["type"] == "Microsoft.ManagedIdentity/userAssignedIdentities"
    ids = body["properties"]
    assert sorted(ids) == ["clientId", "principalId", "tenantId"]
    again = await azure.http.put(azure.user("reading"), json=body)
    assert (again.status_code, again.json()["properties"]) == (200, ids)
    tagged = await azure.http.patch(azure.user("reading"), json={"tags": {"b": "2"}})
    assert tagged.json()["tags"] == {"a": "1", "b": "2"}
    assert [each["name"] for each in (await azure.http.get(azure.user())).json()["value"]] == [
        "reading"
    ]
    assert (await azure.http.delete(azure.user("reading"))).status_code == 200
    assert (await azure.http.delete(azure.user("reading"))).status_code == 204
    assert (await azure.http.get(azure.user("reading"))).status_code == 404
    assert (await azure.http.put(azure.user("a b"), json={})).status_code == 400
    new = await azure.http.put(azure.user("reading"), json={"location": "here"})
    assert new.json()["properties"]["principalId"] != ids["principalId"], (
        "another, of the same name"
    )


async def test_an_endpoint_shows_whom_its_scripts_are(azure: Azure, plane: ControlPlane) -> None:
    given = (await azure.http.put(azure.user("given"), json={})).json()
    both = await azure.endpoint(
        type="systemAssigned, userAssigned", userAssignedIdentities={given["id"]: {}}
    )
    assert both["type"] == "SystemAssigned,UserAssigned"
    [shown] = both["userAssignedIdentities"].values()
    assert shown == {k: given["properties"][k] for k in ("principalId", "clientId")}
    reading = IdentityReading(plane.stage.store)
    own = await reading.find(IRIS)
    assert own is not None
    assert own.principal_id == both["principalId"]
    assert await reading.held(IRIS) == [IRIS, "userAssignedIdentities/given"]

    # What was answered can be put back, by whomever; ids of a caller's own are not taken.
    body = (await azure.client.get(IRIS)).json()
    body["identity"]["principalId"] = "somebody-else"
    done = await azure.client.finish(await azure.client.put(IRIS, body))
    assert done.json()["identity"] == both
    kept = await azure.client.finish(await azure.client.put(IRIS, ENDPOINT))
    assert kept.json()["identity"] == both
    none = await azure.endpoint(type="None")
    assert (none["type"], none["principalId"]) == ("None", None)
    assert await reading.find(IRIS) is None
    assert (await azure.endpoint(type="SystemAssigned"))["principalId"] != both["principalId"]

    await azure.client.finish(await azure.client.delete(IRIS))
    assert await reading.find(IRIS) is None
    assert await reading.held(IRIS) == ()
    assert (await azure.endpoint(type="SystemAssigned"))["principalId"] != both["principalId"]


async def test_an_identity_that_is_none_is_refused_with_the_other_faults(azure: Azure) -> None:
    user = "UserAssigned"
    for identity, told in (
        ({"type": "Whatever"}, "no type of identity"),
        ({"type": user}, "needs userAssignedIdentities"),
        ({"type": "SystemAssigned", "userAssignedIdentities": {"x": {}}}, "say UserAssigned"),
        ({"type": user, "userAssignedIdentities": {"/x": {}}}, "no user-assigned"),
        ({"type": user, "userAssignedIdentities": {azure.user("none"): {}}}, "Make it first"),
    ):
        body = {"location": "here", "identity": identity, "properties": {"traffic": {"none": 10}}}
        refused = await azure.client.put(IRIS, body)
        details = refused.json()["error"]["details"]
        assert refused.status_code == 400
        assert any(told in each["message"] for each in details), details
        assert any(each["target"].startswith("properties.traffic") for each in details)


async def test_a_role_is_given_read_listed_and_taken(azure: Azure, plane: ControlPlane) -> None:
    principal = (await azure.endpoint(type="SystemAssigned"))["principalId"]
    own = f"{azure.scope}/{IRIS}"
    container = f"{azure.account}/blobServices/default/containers/inbox"
    name = str(uuid4())
    given = await azure.give(principal, READER, own, name)
    assert given.status_code == 201, given.text
    body = given.json()
    assert body["id"] == azure.assignment(own, name)
    assert body["properties"]["principalId"] == principal
    assert body["properties"]["roleDefinitionId"].endswith(f"/roleDefinitions/{READER}")
    assert (await azure.give(principal, READER, own, name)).status_code == 200
    assert error(await azure.give(principal, READER, own)) == (409, "RoleAssignmentExists")
    blobs = await azure.give(principal, "Storage Blob Data Reader", container)
    assert blobs.status_code == 201, blobs.text
    changed = await azure.give(principal, "Contributor", own, name)
    assert error(changed) == (409, "RoleAssignmentUpdateNotPermitted")
    found = await IdentityReading(plane.stage.store).find(IRIS)
    assert found is not None
    assert found.roles == {f"reader/{IRIS}", "blobReader/containers/inbox"}

    whole = await azure.listed(azure.group)
    assert {each["properties"]["scope"] for each in whole} == {own, container}
    assert [each["name"] for each in await azure.listed(azure.scope)] == [name]
    for filter in (f"principalId eq '{principal}'", f"atScope() and assignedTo('{principal}')"):
        assert len(await azure.listed(azure.group, **{"$filter": filter})) == 2
    assert await azure.listed(azure.group, **{"$filter": f"principalId eq '{uuid4()}'"}) == []
    assert (await azure.http.get(azure.assignment(own, name))).json() == body
    elsewhere = await azure.http.get(azure.assignment(azure.scope, name))
    assert elsewhere.status_code == 404

    assert (await azure.http.delete(azure.assignment(own, name))).json() == body
    assert (await azure.http.delete(azure.assignment(own, name))).status_code == 204
    await azure.client.finish(await azure.client.delete(IRIS))
    assert await azure.listed(azure.group) == [], "roles go with their identity"


async def test_what_cannot_be_given_is_refused_with_what_can(azure: Azure) -> None:
    shown = await azure.endpoint(type="SystemAssigned")
    principal = shown["principalId"]
    nobody = await azure.give(str(uuid4()), READER, azure.scope)
    assert error(nobody) == (400, "PrincipalNotFound")
    assert "principalId that an endpoint" in nobody.text
    assert error(await azure.give(principal, "Owner", azure.scope)) == (
        400,
        "RoleDefinitionDoesNotExist",
    )
    owner = await azure.give(principal, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", azure.scope)
    assert error(owner) == (400, "RoleNotAllowed")
    assert error(await azure.give(principal, READER, azure.account)) == (400, "ScopeNotAllowed")
    bad_name = await azure.give(principal, READER, azure.scope, "mine")
    assert error(bad_name) == (400, "InvalidRoleAssignmentId")
    answer = await azure.http.get(azure.assignment(azure.scope), params={"$filter": "x eq 1"})
    assert answer.status_code == 400


async def test_roles_are_named_as_azure_names_them(azure: Azure) -> None:
    url = f"{azure.group}/providers/Microsoft.Authorization/roleDefinitions"
    [reader] = (await azure.http.get(url, params={"$filter": "roleName eq 'Reader'"})).json()[
        "value"
    ]
    assert reader["name"] == READER
    assert len((await azure.http.get(url)).json()["value"]) == 6


async def test_owners_alone_give_roles(plane: ControlPlane, azure: Azure) -> None:
    principal = (await azure.endpoint(type="SystemAssigned"))["principalId"]
    for role in ("contributor", "reader", "scorer"):
        other = Azure(plane, plane.client(role))
        assert (await other.give(principal, READER, other.scope)).status_code == 403
        taken = await other.http.delete(other.assignment(other.scope, str(uuid4())))
        assert taken.status_code == 403


async def test_a_compute_has_its_own_and_keeps_it(azure: Azure, plane: ControlPlane) -> None:
    scale = {"scaleSettings": {"maxNodeCount": 1}}
    properties = {"vmSize": "Standard_DS3_v2", **scale}
    body: dict[str, Any] = {
        "location": "here",
        "identity": {"type": "SystemAssigned"},
        "properties": {"computeType": "AmlCompute", "properties": properties},
    }
    made = await azure.client.put("computes/cpu", body)
    assert made.status_code == 201, made.text
    principal = made.json()["identity"]["principalId"]
    again = await azure.client.put("computes/cpu", body)
    assert again.json()["identity"]["principalId"] == principal
    assert (await azure.give(principal, READER, azure.scope)).status_code == 201
    none = await azure.client.put("computes/cpu", {**body, "identity": {"type": "None"}})
    assert none.json()["identity"]["principalId"] is None
    assert await azure.listed(azure.scope) == []
    assert (await azure.client.put("computes/cpu", body)).json()["identity"]["principalId"]
    assert (await azure.client.delete("computes/cpu")).status_code == 200
    assert await IdentityReading(plane.stage.store).find("computes/cpu") is None


async def test_an_identity_and_its_roles_are_tried_and_nothing_is_done(azure: Azure) -> None:
    def changes(answer: httpx.Response) -> list[dict[str, Any]]:
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["properties"]["changes"]
        return found

    tried = {"dryRun": "true"}
    body = {"location": "here", "tags": {"a": "1"}}
    [made] = changes(await azure.http.put(azure.user("reading"), json=body, params=tried))
    assert (made["resourceId"], made["changeType"]) == (azure.user("reading"), "Create")
    assert made["after"] == {"location": "here", "tags": {"a": "1"}, "roleAssignments": {}}
    assert (await azure.http.get(azure.user("reading"))).status_code == 404
    identity = (await azure.http.put(azure.user("reading"), json=body)).json()["properties"]
    url = azure.assignment(azure.scope, str(uuid4()))
    asked = {"roleDefinitionId": READER, "principalId": identity["principalId"]}
    [given] = changes(await azure.http.put(url, json={"properties": asked}, params=tried))
    assert given["resourceId"] == azure.user("reading")
    [delta] = given["delta"][:1]
    assert delta["path"].startswith("roleAssignments.")
    assert await azure.listed(azure.scope) == []
    nobody = {**asked, "principalId": str(uuid4())}
    refused = await azure.http.put(url, json={"properties": nobody}, params=tried)
    assert error(refused) == (400, "PrincipalNotFound")
    assert (await azure.http.put(url, json={"properties": asked})).status_code == 201
    [taken] = changes(await azure.http.delete(url, params=tried))
    assert taken["changeType"] == "Modify"
    [gone] = changes(await azure.http.delete(azure.user("reading"), params=tried))
    assert gone["changeType"] == "Delete"
    [left] = await azure.listed(azure.scope)
    assert left["properties"]["principalId"] == identity["principalId"]
