"""Real resources for calls to work on: one of each kind, `kept`, that no call deletes, or changes
but as it should. Its name and a few more recur in the calls, so that what one makes the next one
finds."""

import random
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID, uuid4

from outside import scoring_files, serving
from outside.running_host import RunningHost
from tests.fuzz.bodies import Bodies

KEPT: Final = "kept"
_OWN_NAMES: Final = ("first", "second", KEPT)
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "batchEndpoints": ("lines", KEPT),
    "computes": ("first", "local", KEPT),
    "datastores": ("first", "workspaceblobstore", "batchinbox"),
    "deployments": ("blue", KEPT),
    "containers": ("workspaceblobstore",),
    "endpoints": (KEPT,),
    "onlineEndpoints": ("shop", KEPT, f"{KEPT}-token"),
    "outputs": ("score",),
    "queues": ("events", "batch-jobs"),
    "storageAccounts": ("local",),
    "versions": ("1", "2"),
    "{collection}": (KEPT,),
    "{workspace}": ("onlineEndpoints",),
}
"""By the part of a path before the name."""
_HELD: Final = f"{KEPT}-held"
"""Of this batch endpoint jobs go on until they are cancelled."""
_WORKSPACE: Final = "/providers/Microsoft.MachineLearningServices/workspaces/workspace"
_ACCOUNT: Final = "/providers/Microsoft.Storage/storageAccounts/local"
_SCOPES: Final[Mapping[str, tuple[str, str]]] = {
    "group": ("", "Reader"),
    "workspace": (_WORKSPACE, "Contributor"),
    "resource": (f"{_WORKSPACE}/onlineEndpoints/{KEPT}", "Endpoint Scorer"),
    "account": (_ACCOUNT, "Storage Blob Data Reader"),
    "container": (
        f"{_ACCOUNT}/blobServices/default/containers/workspaceblobstore",
        "Storage Blob Data Reader",
    ),
}
"""Below the group, and a role that the identity has there, which no call gives it: none is given
twice. By what roles are given for."""
_CANCELS: Final = ("cancel_batch_endpoint_job", "cancel_job")
_MADE: Final[Mapping[str, str]] = {
    "codes/kept/versions/1": "put_code_version",
    "data/kept/versions/1": "put_data_version",
    "environments/kept/versions/1": "put_environment_version",
    "models/kept/versions/1": "put_model_version",
    "computes/kept": "put_compute",
    "onlineEndpoints/kept": "put_online_endpoint",
    "onlineEndpoints/kept/deployments/kept": "put_online_deployment",
    "batchEndpoints/kept": "put_batch_endpoint",
    "batchEndpoints/kept/deployments/kept": "put_batch_deployment",
    "budgets/kept": "put_budget",
    "clients/kept": "put_client",
    "connections/kept": "put_connection",
    "eventMappings/kept": "put_event_mapping",
    "eventSubscriptions/kept": "put_event_subscription",
    "metricAlerts/kept": "put_metric_alert",
    "schedules/kept": "put_schedule",
}
"""Operation by path."""
_PLACE: Final = re.compile(r"(?<![^/])([^/]+)(?=/\{([^}]+)\})")
_OF_ALL: Final = {"subscription": 2, "resource_group": 4, "workspace": 8}


class Resources:
    """They are there once it is made."""

    def __init__(self, host: RunningHost) -> None:
        workspace = host.workspace
        serving.environment(host)
        scripts = {"score.py": serving.ECHO, "lines.py": scoring_files.SCRIPT}
        code = serving.codes(host, "scored", scripts)
        uris = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**scripts, "bad.txt": "raise", "good.txt": "line"}.items():
                (Path(folder) / name).write_text(text)
            for kind in ("codes", "data", "models"):
                uris[kind] = workspace.upload(kind, "uploaded", "1", Path(folder))
        self.bodies = Bodies(host.connection["workspace"], code, uris)
        for path, operation in _MADE.items():
            workspace.mutate("PUT", path, self.bodies.good(operation))
        beside = self.bodies.good("put_online_deployment")
        workspace.mutate("PUT", f"onlineEndpoints/{KEPT}/deployments/{KEPT}-beside", beside)
        for share in (0, 100):  # so that there is a change to be rolled back
            serving.traffic(host, KEPT, **{KEPT: share, f"{KEPT}-beside": 100 - share})
        default = {"properties": {"defaults": {"deploymentName": KEPT}}}
        workspace.mutate("PATCH", f"batchEndpoints/{KEPT}", default)
        token = {"properties": {"authMode": "AMLToken"}}
        workspace.mutate("PUT", f"onlineEndpoints/{KEPT}-token", token)
        workspace.mutate("PUT", f"batchEndpoints/{_HELD}", {"properties": {}})
        workspace.mutate("PUT", f"batchEndpoints/{_HELD}/deployments/kept", self.bodies.held())
        workspace.mutate("PATCH", f"batchEndpoints/{_HELD}", default)
        self._host, self._input = host, uris["data"]
        self._parts = host.connection["workspace"].split("/")
        group = "/".join(self._parts[:5])
        identity = f"{host.url}{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
        made = workspace.call("PUT", f"{identity}/{KEPT}", {"location": "local"}).json()
        self._ended = scoring_files.started(host, KEPT, uris["data"])
        scoring_files.ended(host, self._ended)
        self._running = ""
        self.bodies.know(principal=made["properties"]["principalId"], job=self._ended)
        principal = made["properties"]["principalId"]
        self._roles = {
            of: self._given(f"{group}{at}", principal, role) for of, (at, role) in _SCOPES.items()
        }
        self._seen: dict[str, list[str]] = {"job": [], "operation": []}

    def see(self, answer: Any) -> None:
        """Operations and jobs that this answer tells of are asked for by calls that follow."""
        for url in answer.headers.get("azure-asyncoperation", ()):
            self._seen["operation"].append(unquote(url.partition("?")[0].rpartition("/")[2]))
        if answer.status_code < 300 and answer.request.method == "POST":
            named = re.search(r'"id": ?"[^"]*/jobs/([^"/]+)"', answer.text)
            if named:
                self._seen["job"].append(named[1])
        if answer.status_code < 300 and "/cancel" in answer.request.path_url:
            self._running = ""

    def places(
        self, operation: str, path: str, chosen: random.Random, *, changes: bool
    ) -> dict[str, str]:
        """Names for places of this path, where there are any that fit."""
        names = {}
        if operation == "put_online_endpoint":
            names = {"endpoint": chosen.choice(("shop", "first"))}  # a good one changes its mode
        if operation in _CANCELS and chosen.random() < 0.9:
            names = {"endpoint": _HELD, "job": self._going_on()}
        if role := re.fullmatch(r"(\w+)_role_assignment_of_(\w+)", operation):
            # An assignment is never changed: each that is made or deleted is another one.
            fresh = str(UUID(int=chosen.getrandbits(128), version=4))
            names = {"name": self._roles[role[2]] if role[1] == "get" else fresh}
        for parent, parameter in _PLACE.findall(path):
            if parameter in _OF_ALL:
                names[parameter] = self._parts[_OF_ALL[parameter]]
                continue
            fitting = self._fitting(parent, parameter)
            fitting = [each for each in fitting if not (changes and self._is_kept(each))]
            if parameter not in names and fitting and (parent in _NAMES or chosen.random() < 0.9):
                names[parameter] = chosen.choice(fitting)
        return names

    def _given(self, scope: str, principal: str, role: str) -> str:
        """The name of the assignment."""
        name = str(uuid4())
        url = f"{self._host.url}{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        body = {"properties": {"roleDefinitionId": role, "principalId": principal}}
        self._host.workspace.call("PUT", url, body)
        return name

    def _fitting(self, parent: str, parameter: str) -> Sequence[str]:
        if parameter in ("job", "run"):
            return [self._ended, *self._seen["job"][-2:]]
        return self._seen.get(parameter, [])[-3:] or _NAMES.get(parent, _OWN_NAMES)

    def _is_kept(self, name: str) -> bool:
        return name.startswith(KEPT) or name == self._ended

    def _going_on(self) -> str:
        """A job that does not end."""
        if not self._running:
            self._running = scoring_files.started(self._host, _HELD, self._input)
        return self._running
