"""Microsoft Graph and Azure Resource Manager as the Azure CLI shows them: as much as the hooks ask
of them, with what they refuse and how late they know of what was made."""

import json
import re
import uuid
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
ADA = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
GRAPH = "https://graph.microsoft.com/v1.0"
ARM = f"https://management.azure.com/subscriptions/{SUBSCRIPTION}"
Json = dict[str, Any]


class HttpError(Exception):
    def __init__(self, reason: str, code: str) -> None:
        super().__init__(f'{reason}({{"error":{{"code":"{code}"}}}})')


class FakeAzure:
    """`run` is what the hooks run programs by. `late`: how often what was just made is not there
    yet. `faults` come first, in turn."""

    def __init__(self, *, late: int = 0, logs_in_as: str = "user") -> None:
        self.applications: dict[str, Json] = {}
        self.principals: dict[str, Json] = {}
        self.assigned: list[Json] = []
        self.vaults: dict[str, Json] = {}
        self.deleted_vaults: dict[str, Json] = {}
        self.kept: dict[str, str] = {}
        self.shown: list[str] = []
        self.changes: list[str] = []
        self.faults: list[str] = []
        self.waited: list[float] = []
        self._late = late
        self._hidden = 0
        self._logs_in_as = logs_in_as

    def run(self, program: str, *arguments: str) -> CompletedProcess[str]:
        self.shown += arguments
        if program == "azd":
            self.kept[arguments[2]] = arguments[3]
            return CompletedProcess(arguments, 0, "", "")
        if self.faults:
            return CompletedProcess(arguments, 1, "", f"ERROR: {self.faults.pop(0)}")
        try:
            answer = self._az(list(arguments))
        except HttpError as error:
            return CompletedProcess(arguments, 1, "", f"ERROR: {error}")
        return CompletedProcess(arguments, 0, "" if answer is None else json.dumps(answer), "")

    def _az(self, arguments: list[str]) -> Any:
        assert arguments[-2:] == ["--output", "json"]
        match arguments[:2]:
            case ["cloud", "show"]:
                return {
                    "endpoints": {
                        "microsoftGraphResourceId": "https://graph.microsoft.com/",
                        "resourceManager": "https://management.azure.com/",
                    }
                }
            case ["account", "show"]:
                return {"user": {"name": "ada@contoso.com", "type": self._logs_in_as}}
            case ["keyvault", "recover"]:
                told = dict(zip(arguments[2:-2:2], arguments[3:-2:2], strict=True))
                assert told["--subscription"] == SUBSCRIPTION
                self.vaults[told["--name"]] = self.deleted_vaults.pop(told["--name"])
                return None
        return self._rest(arguments)

    def _rest(self, arguments: list[str]) -> Any:
        at = arguments.index
        method, url = arguments[at("--method") + 1], arguments[at("--url") + 1]
        body = None
        if "--body" in arguments:
            assert "Content-Type=application/json" in arguments
            with open(arguments[at("--body") + 1].removeprefix("@")) as stream:
                body = json.load(stream)
        if method != "GET":
            self.changes.append(f"{method} {url.partition('?')[0]}")
        routes: list[tuple[str, Callable[..., Any]]] = [
            (rf"PATCH {GRAPH}/applications\(uniqueName='(.+)'\)", self._make_application),
            (rf"GET {GRAPH}/applications\(uniqueName='(.+)'\)", self._application),
            (rf"PATCH {GRAPH}/applications/([\w-]+)", self._change_application),
            (rf"PATCH {GRAPH}/servicePrincipals\(appId='(.+)'\)", self._make_principal),
            (rf"GET {GRAPH}/servicePrincipals\(appId='(.+)'\)(?:\?.*)?", self._principal),
            (rf"GET {GRAPH}/servicePrincipals/(.+)/appRoleAssignedTo", self._assignments),
            (rf"POST {GRAPH}/servicePrincipals/(.+)/appRoleAssignedTo", self._assign),
            (rf"GET {GRAPH}/me\?.*", lambda body: {"id": ADA}),
            (rf"GET {ARM}/resourceGroups/(.+)/providers/Microsoft.KeyVault/vaults\?.*", self._list),
            (rf"GET {ARM}/providers/Microsoft.KeyVault/deletedVaults\?.*", self._list_deleted),
            (rf"(GET|PUT) {ARM}/.*/vaults/(.+)/secrets/(.+)\?.*", self._secret),
            (rf"POST {ARM}/.*/sites/.+/config/configreferences/.*", lambda body: None),
        ]
        for route, answer in routes:
            if found := re.fullmatch(route, f"{method} {url}"):
                by_key = method == "PATCH" and "'" in url
                assert ("Prefer=create-if-missing" in arguments) == by_key
                return answer(body, *found.groups())
        raise AssertionError(f"{method} {url}")

    # -- Graph --------------------------------------------------------------------------

    def _make_application(self, body: Json, name: str) -> Json:
        assert name not in self.applications
        empty: Json = {"requestedAccessTokenVersion": None, "oauth2PermissionScopes": []}
        made = {
            "id": str(uuid.uuid4()),
            "appId": str(uuid.uuid4()),
            "identifierUris": [],
            "appRoles": [],
            "groupMembershipClaims": None,
            "api": {**empty, "preAuthorizedApplications": []},
            **body,
        }
        self.applications[name] = made
        self._hidden = self._late
        return made

    def _application(self, body: None, name: str) -> Json:
        self._appears()
        if name not in self.applications:
            raise HttpError("Not Found", "Request_ResourceNotFound")
        return self.applications[name]

    def _change_application(self, body: Json, id: str) -> None:
        [(name, known)] = [(k, v) for k, v in self.applications.items() if v["id"] == id]
        for uri in body.get("identifierUris", []):
            assert known["appId"] in uri, "the tenant's policy takes no bare name"
        scopes: set[str] = {each["id"] for each in known["api"]["oauth2PermissionScopes"]}
        for each in body.get("api", {}).get("preAuthorizedApplications", []):
            if not set(each["delegatedPermissionIds"]) <= scopes:
                raise HttpError("Bad Request", "InvalidPermissionId")
        for role in known["appRoles"]:
            kept: Any = body.get("appRoles", known["appRoles"])
            assert role in kept, "an enabled role cannot be taken away"
        self.applications[name] = {**known, **body}

    def _make_principal(self, body: Json, client_id: str) -> Json:
        made = {"id": str(uuid.uuid4()), "appId": client_id, **body}
        self.principals[client_id] = made
        self._hidden = self._late
        return made

    def _principal(self, body: None, client_id: str) -> Json:
        self._appears()
        if client_id not in self.principals:
            raise HttpError("Not Found", "Request_ResourceNotFound")
        [application] = [a for a in self.applications.values() if a["appId"] == client_id]
        return {**self.principals[client_id], "appRoles": application["appRoles"]}

    def _assignments(self, body: None, principal: str) -> Json:
        return {"value": [each for each in self.assigned if each["resourceId"] == principal]}

    def _assign(self, body: Json, principal: str) -> Json:
        assert body not in self.assigned
        self.assigned.append(body)
        return body

    def _appears(self) -> None:
        if self._hidden:
            self._hidden -= 1
            raise HttpError("Not Found", "Request_ResourceNotFound")

    # -- Azure Resource Manager ---------------------------------------------------------

    def _list(self, body: None, group: str) -> Json:
        return {"value": [{"name": name} for name in self.vaults]}

    def _list_deleted(self, body: None) -> Json:
        return {
            "value": [
                {
                    "name": name,
                    "properties": {
                        "location": "westeurope",
                        "vaultId": vault.get("id", f"/subscriptions/{SUBSCRIPTION}/else/{name}"),
                    },
                }
                for name, vault in self.deleted_vaults.items()
            ]
        }

    def _secret(self, body: Json | None, method: str, vault: str, name: str) -> Json:
        kept = self.vaults[vault].setdefault("secrets", {})
        if method == "PUT":
            assert body is not None
            kept[name] = body["properties"]["value"]
        if name not in kept:
            raise HttpError("Not Found", "SecretNotFound")
        return {"name": name, "properties": {"attributes": {"enabled": True}}}
