"""Batch endpoints as a user makes and invokes them, through the door."""

import csv
import itertools
import tempfile
from pathlib import Path
from typing import Any

import httpx

from outside import serving
from outside.running_host import RunningHost
from outside.waiting import PATIENCE, until

ENDED = ("Completed", "Failed", "Canceled")

SCRIPT = """
import os
import time


def init():
    print("worker", os.getpid())


def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path) as file:
            text = file.read()
        if "exit" in text:
            os._exit(1)
        if "raise" in text:
            raise ValueError("cannot score " + os.path.basename(path))
        gate = os.environ.get("GATE")
        while gate and not os.path.exists(gate):
            time.sleep(0.01)
        rows.append([{"prediction": line.upper()} for line in text.splitlines()])
    return rows
"""

_numbers = itertools.count(1)


def batch(host: RunningHost, name: str, script: str = SCRIPT, **properties: Any) -> None:
    """A batch endpoint with one deployment, `main`, as its default."""
    code = serving.codes(host, f"{name}-code", {"score.py": script})
    host.workspace.mutate("PUT", f"batchEndpoints/{name}", {"location": "local", "properties": {}})
    host.workspace.mutate(
        "PUT",
        f"batchEndpoints/{name}/deployments/main",
        {"location": "local", "properties": deployment(host, code, **properties)},
    )
    host.workspace.mutate(
        "PATCH",
        f"batchEndpoints/{name}",
        {"properties": {"defaults": {"deploymentName": "main"}}},
    )


def deployment(host: RunningHost, code: str, **properties: Any) -> dict[str, Any]:
    workspace = host.workspace.connection["workspace"]
    model = {"referenceType": "Id", "assetId": f"{workspace}/models/nothing/versions/1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.txt"
        file.write_text("none")
        if not host.workspace.get("models")["value"]:
            uri = host.workspace.upload("models", "nothing", "1", file)
            body = {"properties": {"modelUri": uri}}
            host.workspace.call("PUT", "models/nothing/versions/1", body)
    return {
        "model": model,
        "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
        "environmentId": f"{workspace}/environments/bare/versions/1",
        "compute": f"{workspace}/computes/local",
        "retrySettings": {"maxRetries": 0, "timeout": "PT1H"},
        "miniBatchSize": 1,
        **properties,
    }


def data(host: RunningHost, files: dict[str, str]) -> str:
    """Register a folder of these files; the URI to invoke with."""
    name = f"data{next(_numbers)}"
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        uri = host.workspace.upload("data", name, "1", Path(folder))
    body = {"properties": {"dataType": "uri_folder", "dataUri": uri}}
    host.workspace.call("PUT", f"data/{name}/versions/1", body)
    return f"azureml:{name}:1"


def invoke(
    host: RunningHost,
    endpoint: str,
    uri: str,
    headers: dict[str, str] | None = None,
    **overrides: Any,
) -> httpx.Response:
    """The answer of an invocation, whatever it is."""
    body = {
        "properties": {
            "inputData": {"files": {"jobInputType": "UriFolder", "uri": uri}},
            **overrides,
        }
    }
    return host.workspace.http.post(
        f"{host.url}/endpoints/{endpoint}/jobs",
        json=body,
        headers={**host.bearer(), **(headers or {})},
    )


def started(host: RunningHost, endpoint: str, uri: str, **overrides: Any) -> str:
    answer = invoke(host, endpoint, uri, None, **overrides)
    assert answer.status_code == 201, answer.text
    job: str = answer.json()["name"]
    return job


def job(host: RunningHost, name: str) -> dict[str, Any]:
    found: dict[str, Any] = host.workspace.get(f"jobs/{name}")["properties"]
    return found


def ended(host: RunningHost, name: str, *, patience: float = PATIENCE) -> dict[str, Any]:
    return until(
        lambda: (j := job(host, name))["status"] in ENDED and j,
        f"the end of job {name}",
        patience=patience,
    )


def output(host: RunningHost, shown: dict[str, Any], which: str = "score") -> Path:
    path: str = shown["outputs"][which]["uri"].partition("/paths/")[2]
    return host.data_dir / "blobs" / "workspaceblobstore" / path


def rows(host: RunningHost, shown: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Input file, row and prediction, as they stand in the output."""
    with output(host, shown).open(newline="") as file:
        table = list(csv.DictReader(file))
    return [(row["input_file"], row["input_row"], row["prediction"]) for row in table]
