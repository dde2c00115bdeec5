"""Tokens of a node's identities: pushed by its host, asked for by its script with Azure's own
library."""

import json
import sysconfig
import time
from typing import Any

from tests.kit.waiting import until
from tests.runtime.node.harness import StartNode

STORAGE, CONTROL = "https://storage.azure.com", "https://management.azure.com"
SCRIPT = """
import json
import os
import sys
import urllib.error
import urllib.request

sys.path.append(os.environ["PACKAGES"])
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential


def init():
    pass


def run(data):
    asked = json.loads(data)
    if "path" in asked:
        return raw(asked)
    client = asked.get("client")
    credential = ManagedIdentityCredential(client_id=client) if client else DefaultAzureCredential()
    try:
        return credential.get_token(asked["scope"]).token
    except ClientAuthenticationError as error:
        return str(error)


def raw(asked):
    url = os.environ["IDENTITY_ENDPOINT"].rpartition("/msi/")[0] + asked["path"]
    headers = {name: os.path.expandvars(value) for name, value in asked["headers"].items()}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return error.code
"""


def token(resource: str, text: str, client: str, *, usual: bool, lives: float = 3600) -> Any:
    names = {"client_id": client, "object_id": f"{client}-principal", "resource_id": f"/{client}"}
    return {
        "resource": resource,
        "names": names,
        "usual": usual,
        "token": text,
        "expires_at": int(time.time() + lives),
    }


def test_a_script_is_whom_its_host_says(start_node: StartNode) -> None:
    variables = {"PACKAGES": sysconfig.get_paths()["purelib"]}
    node = start_node(
        SCRIPT, environment_variables=variables, identity={"authorities": "AUTHORITY"}
    )
    node.ready()
    assert node.state()["wants_tokens"] is True
    given = [
        token(STORAGE, "own-of-storage", "own", usual=True),
        token(CONTROL, "own-of-control", "own", usual=True),
        token(STORAGE, "given-of-storage", "given", usual=False),
    ]
    assert node.ask("PUT", "/node/tokens", json.dumps({"tokens": given})).status == 204
    assert node.state()["wants_tokens"] is False

    def ask(**asked: Any) -> Any:
        return node.ask(body=json.dumps(asked)).json

    assert ask(scope=f"{STORAGE}/.default") == "own-of-storage"
    assert ask(scope=f"{CONTROL}/.default") == "own-of-control"
    assert ask(scope=f"{STORAGE}/.default", client="given") == "given-of-storage"
    assert "No identity with client_id 'other'" in ask(scope=f"{STORAGE}/.default", client="other")
    assert "Tokens for 'https://vault.azure.net'" in ask(scope="https://vault.azure.net/.default")

    asked = f"/msi/token?resource={STORAGE}"
    assert ask(path=asked, headers={"secret": "$MSI_SECRET"}) == 200
    assert ask(path=asked, headers={"x-identity-header": "wrong"}) == 401
    assert ask(path=asked, headers={}) == 401
    metadata = f"/wrong/metadata/identity/oauth2/token?resource={STORAGE}"
    assert ask(path=metadata, headers={"metadata": "true"}) == 401
    assert ask(path=metadata, headers={}) == 400
    assert ask(path="/elsewhere", headers={"secret": "$MSI_SECRET"}) == 404

    # None is given any more once it has ended, and others are wanted before.
    ending = [token(STORAGE, "ending", "own", usual=True, lives=-1)]
    assert node.ask("PUT", "/node/tokens", json.dumps({"tokens": ending})).status == 204
    until(lambda: node.state()["wants_tokens"], "that others are wanted")
    assert ask(path=asked, headers={"secret": "$MSI_SECRET"}) == 400
    refused = node.ask("PUT", "/node/tokens", '{"tokens": [{}]}')
    assert (refused.status, refused.headers["ml-endpoints-node-reason"]) == (400, "bad-request")


def test_a_node_without_an_identity_takes_no_tokens(start_node: StartNode) -> None:
    script = """
    import os
    def init(): pass
    def run(data): return sorted(name for name in os.environ if "IDENTITY" in name)
    """
    node = start_node(script).ready()
    assert node.ask("PUT", "/node/tokens", '{"tokens": []}').status == 400
    assert node.state()["wants_tokens"] is False
    assert node.ask(body="{}").json == []
