"""Real resources for calls to work on: one of each kind, `kept`, that no call deletes, or changes
but as it should. Its name and a few more recur in the calls, so that what one makes the next one
finds."""

import random
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from outside import serving
from outside.running_host import RunningHost
from tests.fuzz.bodies import Bodies

KEPT: Final = "kept"
_OWN_NAMES: Final = ("first", "second", KEPT)
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "batchEndpoints": ("lines", KEPT),
    "computes": ("first", "local", KEPT),
    "datastores": ("first", "workspaceblobstore", "batchinbox"),
    "deployments": ("blue", KEPT),
    "endpoints": (KEPT,),
    "onlineEndpoints": ("shop", KEPT, f"{KEPT}-token"),
    "versions": ("1", "2"),
}
"""By the part of a path before the name."""
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
    "clients/kept": "put_client",
    "connections/kept": "put_connection",
    "eventMappings/kept": "put_event_mapping",
    "eventSubscriptions/kept": "put_event_subscription",
    "schedules/kept": "put_schedule",
}
"""Operation by path."""
_PLACE: Final = re.compile(r"([^/]+)/\{([^}]+)\}")
_OF_ALL: Final = {"subscription": 2, "resource_group": 4, "workspace": 8}


class Resources:
    """They are there once it is made."""

    def __init__(self, host: RunningHost) -> None:
        workspace = host.workspace
        serving.environment(host)
        code = serving.codes(host, "scored", {"score.py": serving.ECHO})
        uris = {}
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "score.py").write_text(serving.ECHO)
            for kind in ("codes", "data", "models"):
                uris[kind] = workspace.upload(kind, "uploaded", "1", Path(folder))
        self.bodies = Bodies(host.connection["workspace"], code, uris)
        for path, operation in _MADE.items():
            workspace.mutate("PUT", path, self.bodies.good(operation))
        serving.traffic(host, KEPT, kept=100)
        default = {"properties": {"defaults": {"deploymentName": KEPT}}}
        workspace.mutate("PATCH", f"batchEndpoints/{KEPT}", default)
        token = {"properties": {"authMode": "AMLToken"}}
        workspace.mutate("PUT", f"onlineEndpoints/{KEPT}-token", token)
        self._parts = host.connection["workspace"].split("/")
        self._seen: dict[str, list[str]] = {"job": [], "operation": []}

    def see(self, answer: Any) -> None:
        """Operations and jobs that this answer tells of are asked for by calls that follow."""
        for url in answer.headers.get("azure-asyncoperation", ()):
            self._seen["operation"].append(unquote(url.partition("?")[0].rpartition("/")[2]))
        if answer.status_code < 300 and answer.request.method == "POST":
            named = re.search(r'"id": ?"[^"]*/jobs/([^"/]+)"', answer.text)
            if named:
                self._seen["job"].append(named[1])

    def places(self, path: str, chosen: random.Random, *, changes: bool) -> dict[str, str]:
        """Names for places of this path, where there are any that fit."""
        names = {}
        for parent, parameter in _PLACE.findall(path):
            if parameter in _OF_ALL:
                names[parameter] = self._parts[_OF_ALL[parameter]]
                continue
            fitting = self._seen.get(parameter, [])[-3:] or _NAMES.get(parent, _OWN_NAMES)
            fitting = [each for each in fitting if not (changes and each.startswith(KEPT))]
            if fitting and (parent in _NAMES or chosen.random() < 0.9):
                names[parameter] = chosen.choice(fitting)
        return names
