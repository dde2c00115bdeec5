"""From the scoring URI to a real inference server in a process of its own, and back."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.online.online_deployment import workload_key
from domain.ports import (
    EnvironmentSpec,
    InstanceSize,
    Probe,
    Program,
    SealedFolder,
    ServingWorkload,
    WorkloadState,
)
from domain.scoring.online_routing import RouteTable
from handlers.data import scoring
from handlers.http import Routes
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock
from tests.kit.computes import known
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.isolation import cells, isolated
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, scoring_on
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually, patience

from ..conftest import OpenClient

UV = str(Path(sys.executable).with_name("uv"))
SCORE = "/endpoints/iris/score"
LIMITS = {"blue": 300.0, "green": 300.0, "late": 0.4}
"""Seconds a request may take there."""

SCRIPT = """
import json, os, time

def init():
    pass

def run(data):
    asked = json.loads(data)
    if asked == "fail":
        raise ValueError("no such flower")
    if asked == "die":
        os._exit(9)
    if asked == "wait":
        while not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
    return {"deployment": os.environ["NAME"], "length": len(data)}
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Requests to `wait` end once it is there."""
    return tmp_path / "gates" / "gate"


@pytest.fixture
async def client(
    tmp_path: Path, gate: Path, routes: Routes, open_client: OpenClient
) -> AsyncIterator[httpx.AsyncClient]:
    """`iris` with `blue` and `green`, half of the traffic each, and `late`, running for real."""
    store = SqliteResourceStore(tmp_path / "documents.db")
    blobs = FileBlobStore(tmp_path, base_url="http://localhost", key=b"k" * 32)
    compute = LocalCompute(
        tmp_path,
        blobs,
        OutputsInPlace(tmp_path / "blobs"),
        uv=UV,
        packages=USUAL_PACKAGES,
        limits=LocalLimits(),
        isolation=cells(isolated(gate.parent), tmp_path),
    )
    await compute.start()
    endpoints = Endpoints(store)
    await endpoints.put("iris", {"blue": 50, "green": 50})
    await blobs.write("assets", "code/score.py", SCRIPT.encode())
    code = await sealed(blobs, "assets", "code")
    for name, limit in LIMITS.items():
        await endpoints.put_deployment("iris", name, timeout=limit)
        await compute.serving.ensure(_workload(name, limit, gate, code))
    for name in LIMITS:
        await eventually(partial(_ready, compute, name), f"{name} is ready")
    routing = RouteTable(store, HeldClock(), read_limit=PATIENCE, refresh=known)
    activity = scoring_on(routing, compute.serving, compute.scorer)
    client = open_client(scoring.blueprint(routes, activity), role=PRIMARY)
    client.headers["content-type"] = "application/json"
    yield client
    await compute.close()
    await blobs.close()
    await store.close()


def _workload(name: str, limit: float, gate: Path, code: SealedFolder) -> ServingWorkload:
    probe = Probe(initial_delay=0.0, period=0.2, timeout=PATIENCE, failure_threshold=10_000)
    program = Program(
        environment=EnvironmentSpec("3.11", ()),
        model=None,
        code=code,
        scoring_script="score.py",
        environment_variables={"NAME": name, "GATE": str(gate)},
        size=InstanceSize(0.5, 2**30),
    )
    return ServingWorkload(
        key=workload_key("iris", name),
        revision="1",
        program=program,
        instance_count=1,
        request_timeout=timedelta(seconds=limit),
        liveness=probe,
        readiness=probe,
    )


async def _ready(compute: LocalCompute, name: str) -> bool:
    seen = await compute.serving.observe(workload_key("iris", name))
    assert seen is not None
    assert seen.state is not WorkloadState.FAILED, seen.reason
    return seen.state is WorkloadState.READY


async def ask(client: httpx.AsyncClient, what: Any, **headers: str) -> httpx.Response:
    return await client.post(SCORE, content=json.dumps(what), headers=headers)


async def test_real_instances_answer_refuse_time_out_overload_and_die_as_the_facts_say(
    client: httpx.AsyncClient, gate: Path
) -> None:
    answers = [(await ask(client, i)).json()["deployment"] for i in range(20)]
    assert sorted(answers) == ["blue"] * 10 + ["green"] * 10

    big = await client.post(SCORE, content=json.dumps("x" * 300_000))
    assert big.json()["length"] == 300_002

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'"', b"y" * 70_000, b'"'):
            yield piece

    assert (await client.post(SCORE, content=pieces())).json()["length"] == 70_002

    green = {"azureml-model-deployment": "green"}
    failed = await ask(client, "fail", **green)
    assert failed.status_code == 424
    assert failed.headers["ms-azureml-model-error-statuscode"] == "500"
    assert failed.headers["ms-azureml-model-error-reason"] == "model_error"
    assert failed.headers["x-ms-run-function-failed"] == "True"
    assert failed.headers["x-ms-server-version"]
    assert failed.headers["azureml-model-deployment"] == "green"

    document = await client.get("/endpoints/iris/swagger.json", params={"version": "3"})
    assert document.status_code == 200
    assert document.json()["openapi"].startswith("3")

    slow = await ask(client, "wait", **{"azureml-model-deployment": "late"})
    assert slow.status_code == 408
    assert slow.json()["error"]["limit"] == {"request_timeout_ms": 400}

    blue = {"azureml-model-deployment": "blue"}
    crowd = [asyncio.create_task(ask(client, "wait", **blue)) for _ in range(12)]
    async with patience():
        done, _ = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
    refused = await done.pop()
    assert refused.status_code == 429
    gate.touch()
    assert {(await each).status_code for each in crowd} == {200, 429}
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    error = refused.json()["error"]
    assert error["limit"]["max_concurrent_requests_per_instance"] == 1
    assert error["load"]["instance"]["max_concurrent"] == 1


async def test_an_instance_that_dies_with_a_request_in_hand_is_502_and_not_repeated(
    client: httpx.AsyncClient,
) -> None:
    lost = await ask(client, "die", **{"azureml-model-deployment": "blue"})
    assert lost.status_code == 502
    assert lost.json()["error"]["code"] == "InstanceLost"
    assert (await ask(client, 1, **{"azureml-model-deployment": "green"})).status_code == 200
