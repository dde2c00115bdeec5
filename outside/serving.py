"""Assets, endpoints and deployments as a user makes them, through the door."""

import tempfile
from pathlib import Path
from typing import Any

import httpx

from examples.client import CallFailed
from outside.running_host import RunningHost
from outside.waiting import PATIENCE, until

USUAL = {"requestTimeout": "PT5S", "maxQueueWait": "PT0.5S"}
"""What a deployment has that asks for nothing: for benchmarks, whose figures these shape."""
BARE = "name: bare\ndependencies:\n  - python=3.11\n"

ECHO = """
import json
import os
import tempfile
import time
import uuid

WHO = uuid.uuid4().hex


def init():
    print("init says hello")


def run(data):
    try:
        asked = json.loads(data)
    except ValueError:
        return len(data)
    if isinstance(asked, dict):
        held = asked.get("held")
        if held:
            tempfile.mkstemp(prefix="in-hand-", dir=held)
            while not os.path.exists(os.path.join(held, "open")):
                time.sleep(0.01)
        if asked.get("print"):
            for _ in range(asked["print"] // 100):
                print("y" * 99)
        if "exit" in asked:
            os._exit(asked["exit"])
        if asked.get("raise"):
            raise ValueError(asked["raise"])
        if asked.get("who"):
            return {"who": WHO, "name": os.environ.get("NAME")}
    return asked
"""


def codes(host: RunningHost, name: str, scripts: dict[str, str]) -> str:
    """Register version 1 of a code with these files, or find it there; the id to name it by."""
    workspace = host.workspace
    id = f"{workspace.connection['workspace']}/codes/{name}/versions/1"
    try:
        workspace.get(f"codes/{name}/versions/1")
    except CallFailed:
        pass
    else:
        return id
    with tempfile.TemporaryDirectory() as folder:
        for path, text in scripts.items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        uri = workspace.upload("codes", name, "1", Path(folder))
    workspace.call("PUT", f"codes/{name}/versions/1", {"properties": {"codeUri": uri}})
    return id


def environment(host: RunningHost, name: str = "bare", conda: str = BARE) -> str:
    host.workspace.call(
        "PUT", f"environments/{name}/versions/1", {"properties": {"condaFile": conda}}
    )
    return f"{host.workspace.connection['workspace']}/environments/{name}/versions/1"


def endpoint(host: RunningHost, name: str, **properties: Any) -> None:
    host.workspace.mutate(
        "PUT",
        f"onlineEndpoints/{name}",
        {"location": "local", "properties": {"authMode": "Key", **properties}},
    )


def deployment_body(
    host: RunningHost, code: str, *, count: int = 1, script: str = "score.py", **properties: Any
) -> dict[str, Any]:
    """Its limits are ample, where none are asked for."""
    workspace = host.workspace.connection["workspace"]
    ample = {"requestTimeout": "PT5M", "maxQueueWait": "PT5M"}
    properties["requestSettings"] = {**ample, **properties.get("requestSettings", {})}
    return {
        "location": "local",
        "sku": {"name": "Default", "capacity": count},
        "properties": {
            "codeConfiguration": {"codeId": code, "scoringScript": script},
            "environmentId": f"{workspace}/environments/bare/versions/1",
            "endpointComputeType": "Managed",
            **properties,
        },
    }


def deploy(host: RunningHost, path: str, code: str, **options: Any) -> None:
    """`path` is endpoint/deployment."""
    end, _, name = path.partition("/")
    host.workspace.mutate(
        "PUT", f"onlineEndpoints/{end}/deployments/{name}", deployment_body(host, code, **options)
    )


def traffic(host: RunningHost, name: str, **shares: int) -> None:
    host.workspace.mutate("PATCH", f"onlineEndpoints/{name}", {"properties": {"traffic": shares}})


def key(host: RunningHost, name: str, which: str = "primaryKey") -> str:
    found: str = host.workspace.call("POST", f"onlineEndpoints/{name}/listKeys").json()[which]
    return found


def caller(host: RunningHost, name: str, **options: Any) -> httpx.Client:
    """A client whose `post("")` scores on the endpoint."""
    uri = host.workspace.get(f"onlineEndpoints/{name}")["properties"]["scoringUri"]
    return httpx.Client(
        base_url=uri,
        verify=host.tls,
        headers={"authorization": f"Bearer {key(host, name)}"},
        **{"timeout": PATIENCE, **options},
    )


class Hold:
    """Requests with `{"held": str(hold.folder)}` in their body stay with ECHO until it is
    opened."""

    def __init__(self, host: RunningHost) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=host.meeting))
        self.folder.chmod(0o777)

    @property
    def asked(self) -> dict[str, str]:
        return {"held": str(self.folder)}

    def in_hand(self) -> int:
        """How many have come to an instance."""
        return len(list(self.folder.glob("in-hand-*")))

    def open(self) -> None:
        (self.folder / "open").touch()


def succeeded(host: RunningHost, operation: str) -> None:
    """Wait for the end of the operation at this URL, and see that it is a good one."""
    status = until(
        lambda: (
            (s := host.workspace.call("GET", operation).json())["status"]
            not in ("InProgress", "NotStarted", "Running")
            and s
        )
    )
    assert status["status"] == "Succeeded", status
