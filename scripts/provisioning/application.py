"""The app registration that bearer tokens are for, in Entra ID: made once, and mended where it
lacks something, whoever runs this and however often. What was added to it stays.

    python -m scripts.provisioning.application NAME [--assign ROLE=OBJECT_ID ...]
"""

import argparse
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.provisioning.azure_cli import Absent, AzureCli, Failed, run

ROLES: Mapping[str, str] = {
    "reader": "Reads endpoints, deployments, jobs and assets",
    "contributor": "Deploys models, starts jobs, changes traffic",
    "owner": "Everything, and who may do what",
    "scorer": "Calls scoring URIs",
}
"""Those of domain/ground/access.py."""
SCOPE = "user_impersonation"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""Its own client id: people ask for tokens by it, which nobody has to consent to then."""

_IDS = uuid.UUID("2f1d3c5a-8e07-4a6b-9c42-d05e6b7a8f19")
Json = dict[str, Any]


@dataclass(frozen=True)
class Registration:
    """`uri` is what tokens are asked for."""

    client_id: str
    uri: str
    principal_id: str


def registered(cli: AzureCli, name: str) -> Registration:
    """The registration of that name, which no two have in a tenant. Raises Failed."""
    graph = _graph(cli)
    unique = f"{graph}/applications(uniqueName='{name}')"
    about = {"displayName": name, "signInAudience": "AzureADMyOrg"}
    try:
        application = cli.rest("GET", unique)
    except Absent:
        # Of two at once, one makes it and the other finds it.
        cli.rest("PATCH", unique, about, prefer="create-if-missing")
        application = cli.rest("GET", unique, patient=True)
    # One after the other: who is authorized for a scope is checked against those that are there.
    for lacking in (_lacking, _unauthorized):
        if change := lacking(application):
            cli.rest("PATCH", f"{graph}/applications/{application['id']}", change, patient=True)
            application |= change
    client_id = application["appId"]
    of_client = f"{graph}/servicePrincipals(appId='{client_id}')"
    try:
        principal = cli.rest("GET", of_client)
    except Absent:
        cli.rest(
            "PATCH", of_client, {"displayName": name}, prefer="create-if-missing", patient=True
        )
        principal = cli.rest("GET", of_client, patient=True)
    return Registration(client_id, _uri(application, client_id), principal["id"])


def assign(cli: AzureCli, to: Registration, role: str, object_id: str) -> bool:
    """Give a user, group, application or managed identity an app role; False if it has it."""
    url = f"{_graph(cli)}/servicePrincipals/{to.principal_id}/appRoleAssignedTo"
    role_id = _role_ids(cli, to)[role]
    for given in cli.pages(url):
        if given["principalId"] == object_id and given["appRoleId"] == role_id:
            return False
    body = {"principalId": object_id, "resourceId": to.principal_id, "appRoleId": role_id}
    cli.rest("POST", url, body, patient=True)
    return True


def own_object_id(cli: AzureCli) -> str | None:
    """Of the person who is logged in; None for an application."""
    account = cli.show("account", "show")
    if account["user"]["type"] != "user":
        return None
    return str(cli.rest("GET", f"{_graph(cli)}/me?$select=id")["id"])


def _graph(cli: AzureCli) -> str:
    endpoints = cli.show("cloud", "show")["endpoints"]
    return f"{endpoints['microsoftGraphResourceId'].rstrip('/')}/v1.0"


def _role_ids(cli: AzureCli, to: Registration) -> dict[str, str]:
    url = f"{_graph(cli)}/servicePrincipals(appId='{to.client_id}')?$select=appRoles"
    return {role["value"]: role["id"] for role in cli.rest("GET", url)["appRoles"]}


def _lacking(application: Json) -> Json:
    """What is to be changed of it: lists are changed whole, so what is in them stays in them."""
    change: Json = {}
    client_id, api = application["appId"], application.get("api") or {}
    if not any(uri.startswith("api://") for uri in application["identifierUris"]):
        # The one form of name that every tenant's policy takes.
        change["identifierUris"] = [*application["identifierUris"], f"api://{client_id}"]
    known = {role["value"] for role in application["appRoles"]}
    if missing := [_role(name) for name in ROLES if name not in known]:
        change["appRoles"] = [*application["appRoles"], *missing]
    if not application.get("groupMembershipClaims"):
        # Of the groups that it is assigned to alone: with all of somebody's, a token that would
        # have more than 200 has none.
        change["groupMembershipClaims"] = "ApplicationGroup"
    scopes = api.get("oauth2PermissionScopes") or []
    if not any(scope["value"] == SCOPE for scope in scopes):
        version = api.get("requestedAccessTokenVersion") or 2
        added = {"oauth2PermissionScopes": [*scopes, _scope()]}
        change["api"] = {**api, "requestedAccessTokenVersion": version, **added}
    return change


def _unauthorized(application: Json) -> Json:
    """The Azure CLI, where it may not ask for tokens yet."""
    api = application["api"]
    [scope] = [each["id"] for each in api["oauth2PermissionScopes"] if each["value"] == SCOPE]
    known = api.get("preAuthorizedApplications") or []
    if any(each["appId"] == AZURE_CLI for each in known):
        return {}
    allowed = {"appId": AZURE_CLI, "delegatedPermissionIds": [scope]}
    return {"api": {**api, "preAuthorizedApplications": [*known, allowed]}}


def _role(name: str) -> Json:
    return {
        "id": _id(f"role {name}"),
        "value": name,
        "displayName": name,
        "description": ROLES[name],
        "allowedMemberTypes": ["User", "Application"],
        "isEnabled": True,
    }


def _scope() -> Json:
    return {
        "id": _id(SCOPE),
        "value": SCOPE,
        "type": "User",
        "adminConsentDisplayName": "Use ml-endpoints",
        "adminConsentDescription": "Use ml-endpoints as the person who is logged in.",
        "userConsentDisplayName": "Use ml-endpoints",
        "userConsentDescription": "Use ml-endpoints as you.",
        "isEnabled": True,
    }


def _id(name: str) -> str:
    """The same each time: whoever made it half is gone on with."""
    return str(uuid.uuid5(_IDS, name))


def _uri(application: Json, client_id: str) -> str:
    own, uris = f"api://{client_id}", application["identifierUris"]
    return str(own if own in uris else next(uri for uri in uris if uri.startswith("api://")))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.provisioning.application")
    parser.add_argument("name", help="of the registration, the only one of it in the tenant")
    parser.add_argument("--assign", action="append", default=[], metavar="ROLE=OBJECT_ID")
    asked = parser.parse_args(arguments)
    pairs = [each.partition("=") for each in asked.assign]
    for role, _, object_id in pairs:
        if role not in ROLES or not object_id:
            parser.error(f"--assign {role}={object_id}: the roles are {', '.join(ROLES)}")
    try:
        cli = AzureCli("", run, time.sleep)
        made = registered(cli, asked.name)
        print(f"client id {made.client_id}\naudience  {made.uri}")
        for role, _, object_id in pairs:
            is_new = assign(cli, made, role, object_id)
            print(f"{object_id} {'is' if is_new else 'was'} {role}")
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
