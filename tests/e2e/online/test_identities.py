"""Whom a deployment's script is to others: by Azure's own libraries, as everywhere in Azure."""

import json
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from examples.client import CallFailed
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until

PACKAGES = sysconfig.get_paths()["purelib"]
HOST_ENVIRONMENT = {
    "ML_ENDPOINTS_SCRIPT_READABLE": PACKAGES,
    "ML_ENDPOINTS_AGGREGATE_PERIOD": "0.2",
}
SCRIPT = (Path(__file__).parent / "identified_script.py").read_text()
VARIABLES = {"PACKAGES": PACKAGES}
CONTAINER = "workspaceblobstore"
FILE = {"container": CONTAINER, "name": "hello/hello.txt"}
STORAGE = "https://storage.azure.com/.default"
CONTROL = "https://management.azure.com/.default"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
SCORER = "2b5f0a3e-6f0c-4d0e-9b0a-5c3d1f7a9e64"

Ask = Callable[..., Any]


def group(host: RunningHost) -> str:
    workspace: str = host.workspace.connection["workspace"]
    return workspace.partition("/providers/")[0]


def account(host: RunningHost) -> str:
    return f"{group(host)}/providers/Microsoft.Storage/storageAccounts/local"


def container(host: RunningHost) -> str:
    return f"{account(host)}/blobServices/default/containers/{CONTAINER}"


def user_assigned(host: RunningHost, name: str) -> dict[str, Any]:
    id = f"{group(host)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    body = {"location": "local", "tags": {}}
    found: dict[str, Any] = host.workspace.call("PUT", f"{host.url}{id}", body).json()
    return found


def give(host: RunningHost, principal: str, role: str, scope: str) -> str:
    """Its URL."""
    name = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
    definition = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": principal}
    host.workspace.call("PUT", f"{host.url}{name}", {"properties": properties})
    return f"{host.url}{name}"


def identity(host: RunningHost, path: str) -> dict[str, Any]:
    found: dict[str, Any] = host.workspace.get(path)["identity"]
    return found


@pytest.fixture(scope="module")
def ask(host: RunningHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A deployment whose endpoint has an identity of its own and one that it was given."""
    file = tmp_path_factory.mktemp("blobs") / "hello.txt"
    file.write_text("hello")
    host.workspace.put_blob(CONTAINER, FILE["name"], file)
    given = user_assigned(host, "given")
    both = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {given["id"]: {}}}
    body = {"location": "local", "identity": both, "properties": {"authMode": "Key"}}
    host.workspace.mutate("PUT", "onlineEndpoints/identified", body)
    code = serving.codes(host, "identified", {"score.py": SCRIPT})
    serving.deploy(host, "identified/blue", code, environmentVariables=VARIABLES)
    serving.traffic(host, "identified", blue=100)
    with serving.caller(host, "identified") as client:

        def ask(what: str, **asked: Any) -> Any:
            answer = client.post("", json={"what": what, **asked})
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield ask


@pytest.mark.journey
def test_a_script_does_with_blobs_what_its_identity_was_given_and_nothing_else(
    host: RunningHost, ask: Ask
) -> None:
    shown = identity(host, "onlineEndpoints/identified")
    assert shown["type"] == "SystemAssigned,UserAssigned"
    [(_, given)] = shown["userAssignedIdentities"].items()
    refused = "403 AuthorizationPermissionMismatch"
    assert ask("read", **FILE) == refused

    reading = give(host, shown["principalId"], BLOB_READER, container(host))
    until(lambda: ask("read", **FILE) == "hello", "the role that was given")
    assert ask("names", **FILE) == ["hello/hello.txt"]
    assert ask("write", **FILE) == refused
    assert ask("read", container="batch-inbox", name="x") == refused

    # Another identity of the same script has other roles, and none of the first one's.
    assert ask("read", client=given["clientId"], **FILE) == refused
    give(host, given["principalId"], BLOB_CONTRIBUTOR, account(host))
    new = {"container": "batch-inbox", "name": "somebody/new.txt"}
    until(lambda: ask("write", client=given["clientId"], **new) == "written", "the other role")
    assert ask("read", client=given["clientId"], **new) == "written"
    assert "No identity with client_id" in ask("read", client=str(uuid4()), **FILE)

    host.workspace.call("DELETE", reading)
    until(lambda: ask("read", **FILE) == refused, "the end of the role")


@pytest.mark.only_processes("a container reaches nothing of this host but its blobs")
def test_a_script_calls_endpoints_and_the_control_plane_as_its_identity_may(
    host: RunningHost, ask: Ask
) -> None:
    workspace = host.workspace.connection["workspace"]
    principal = identity(host, "onlineEndpoints/identified")["principalId"]
    own, models = f"{workspace}/onlineEndpoints/identified", f"{workspace}/models"

    def called(path: str, method: str = "GET", **more: Any) -> int:
        url = path if path.startswith("http") else f"{host.url}{path}?api-version=2024-10-01"
        status: int = ask("call", url=url, method=method, **{"scope": CONTROL, **more})
        return status

    assert called(own) == 403
    give(host, principal, READER, own)
    until(lambda: called(own) == 200, "the role of a reader")
    assert called(models) == 403
    assert called(own, "DELETE") == 403
    isolation = host.workspace.get("onlineEndpoints/identified/deployments/blue")["properties"]
    kept_out = [part["held"] for part in isolation["isolation"] if part["part"] == "control plane"]
    if kept_out == [True]:
        # An owner's token does not get a script in, wherever it has it from.
        assert called(own, token=host.workspace.token()) == 403

    serving.endpoint(host, "asked", authMode="AADToken")
    uri = host.workspace.get("onlineEndpoints/asked")["properties"]["scoringUri"]
    scoring = {"method": "POST", "scope": "https://ml.azure.com/.default"}
    assert called(uri, **scoring) == 403
    role = give(host, principal, SCORER, f"{workspace}/onlineEndpoints/asked")
    # It is let in, where nothing is deployed.
    until(lambda: called(uri, **scoring) == 404, "the role of a scorer")
    assert called(uri, "POST", scope=STORAGE) == 401
    host.workspace.call("DELETE", role)
    until(lambda: called(uri, **scoring) == 403, "the end of the role")

    def audited() -> bool:
        asked = f"$filter=caller eq '{principal}'".replace(" ", "%20").replace("'", "%27")
        events = "providers/Microsoft.Insights/eventtypes/management/values"
        found = host.workspace.get(f"{events}?{asked}")["value"]
        told = {
            (each["operationName"]["value"].partition("/workspaces/")[2], each["status"]["value"])
            for each in found
        }
        return {
            ("identities/token/action", "Succeeded"),
            ("onlineEndpoints/delete", "Failed"),
        } <= told

    until(audited, "the identity in the audit log")


def test_tokens_are_asked_for_with_the_deployment_s_own_secret_alone(
    host: RunningHost, ask: Ask
) -> None:
    fields = ["access_token", "client_id", "expires_in", "expires_on", "ext_expires_in"]
    assert ask("rest") == [200, sorted([*fields, "not_before", "resource", "token_type"])]
    assert ask("rest", secret="none")[0] == 401
    true = {"Metadata": "true"}
    assert ask("metadata", scope="https://management.azure.com/", headers=true) == 200
    assert ask("metadata", scope="https://management.azure.com/", headers={}) == 400
    assert "Tokens for 'https://vault.azure.net'" in ask(
        "get", scope="https://vault.azure.net/.default"
    )


@pytest.mark.journey
def test_a_job_s_script_is_who_its_compute_is(host: RunningHost, ask: Ask) -> None:
    given = user_assigned(host, "of-compute")
    scale = {"minNodeCount": 0, "maxNodeCount": 1}
    compute = {
        "location": "local",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {given["id"]: {}}},
        "properties": {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": scale},
        },
    }
    host.workspace.call("PUT", "computes/workers", compute)
    give(host, given["properties"]["principalId"], BLOB_READER, container(host))
    workspace = host.workspace.connection["workspace"]
    on = {"compute": f"{workspace}/computes/workers", "environmentVariables": VARIABLES}
    batch.batch(host, "identified-files", SCRIPT, **on)
    uri = batch.data(
        host,
        {
            "a.json": json.dumps({"what": "read", **FILE}),
            "b.json": '{"what": "variables", "names": ["DEFAULT_IDENTITY_CLIENT_ID"]}',
        },
    )
    shown = batch.ended(host, batch.started(host, "identified-files", uri))
    assert shown["status"] == "Completed", shown["error"]
    text = batch.output(host, shown).read_text()
    assert "hello" in text
    assert given["properties"]["clientId"] in text


def test_tokens_end_with_their_identity_s_endpoint(host: RunningHost, ask: Ask) -> None:
    workspace = host.workspace.connection["workspace"]
    shown = identity(host, "onlineEndpoints/identified")
    [(id, given)] = shown["userAssignedIdentities"].items()
    principals = {"own": shown["principalId"], "given": given["principalId"]}
    for principal in principals.values():
        give(host, principal, READER, workspace)
    tokens = {
        "own": ask("get", scope=CONTROL),
        "given": ask("get", scope=CONTROL, client=given["clientId"]),
    }

    def status(which: str) -> int:
        headers = {"authorization": f"Bearer {tokens[which]}"}
        with host.client(headers=headers) as client:
            return client.get(f"{workspace}/onlineEndpoints").status_code

    until(lambda: {status(each) for each in tokens} == {200}, "the roles of readers")
    host.workspace.mutate("DELETE", "onlineEndpoints/identified")
    until(lambda: status("own") == 401, "the end of the token")
    # What was given to an endpoint is not its own.
    assert status("given") == 200
    left = host.workspace.get("providers/Microsoft.Authorization/roleAssignments")["value"]
    assert principals["own"] not in {each["properties"]["principalId"] for each in left}
    host.workspace.call("DELETE", f"{host.url}{id}")
    until(lambda: status("given") == 401, "the end of the other token")
    only = {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}
    body = {"location": "local", "identity": only, "properties": {"authMode": "Key"}}
    with pytest.raises(CallFailed, match="was not found"):
        host.workspace.call("PUT", "onlineEndpoints/late", body)
