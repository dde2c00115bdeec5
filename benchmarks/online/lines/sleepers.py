"""Endpoints whose one deployment sleeps, as many as are asked for.

One is made through the door and sleeps; the host then ends, and its store gets as many copies of
what that one left in it. A deployment's first instance is always tried, and a thousand of those
take minutes of what is not measured here.
"""

import asyncio
import json
import time
from pathlib import Path

from domain.online import deployment_scale, online_deployment, online_endpoint
from domain.ports import Create
from infra.compute.local.processes.process_groups import cpu_seconds
from infra.embedded.data_folder import DataFolder
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

IDLE = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "1"}
"""The environment of a host on which the first of them falls asleep at once."""
_SLEEPS = {"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 0}}
_BARE = "def init(): pass\ndef run(data): return 1\n"
_SLEEPER = "sleeper-0000"
_KINDS = (online_endpoint.KIND, online_deployment.KIND, deployment_scale.ASLEEP_KIND)
_CALM = 0.25
"""Of a core: a host that uses less has looked at all that it found when it started."""


def add(host: RunningHost, count: int) -> None:
    """Returns once the host, started anew, has them and has settled."""
    _put_to_sleep(host, serving.codes(host, "asleep", {"score.py": _BARE}))
    host.stop()
    asyncio.run(_copy(host.data_dir, count - 1))
    host.start()
    shown = host.workspace.get(f"onlineEndpoints/sleeper-{count - 1:04}")
    assert shown["properties"]["provisioningState"] == "Succeeded", shown
    until(lambda: _is_calm(host), patience=120, every=0, what="a host that has settled")


def _put_to_sleep(host: RunningHost, script: str) -> None:
    """With a deployment that has all the traffic, and no instance by the time this returns."""
    serving.environment(host)
    serving.endpoint(host, _SLEEPER)
    serving.deploy(host, f"{_SLEEPER}/blue", script, **_SLEEPS)
    serving.traffic(host, _SLEEPER, blue=100)
    path = f"onlineEndpoints/{_SLEEPER}/deployments/blue"
    until(
        lambda: host.workspace.get(path)["properties"]["scaleStatus"]["instances"] == 0,
        patience=30,
        what="a deployment asleep",
    )


async def _copy(data: Path, count: int) -> None:
    """More of the sleeper, under names of the same length."""
    store = SqliteResourceStore(DataFolder(data).documents)
    try:
        partition = online_endpoint.partition(_SLEEPER)
        pages = [await store.query(kind, partition=partition) for kind in _KINDS]
        found = [document for page in pages for document in page.documents]
        assert len(found) == len(_KINDS), found
        bodies = json.dumps([[document.id, document.body] for document in found])
        for number in range(1, count + 1):
            name = f"sleeper-{number:04}"
            of_copy = json.loads(bodies.replace(_SLEEPER, name))
            writes = [Create(id, body) for id, body in of_copy]
            await store.transact(online_endpoint.partition(name), writes)
    finally:
        await store.close()


def _is_calm(host: RunningHost) -> bool:
    before = cpu_seconds(host.pid)
    time.sleep(1)
    after = cpu_seconds(host.pid)
    return before is not None and after is not None and after - before < _CALM
