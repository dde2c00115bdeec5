"""What a thousand routed endpoints, 999 of them at zero, cost a request to the one that runs.

One of those at zero is made through the door and sleeps; the host then ends, and its store gets
as many copies of what that one left in it. A deployment's first instance is always tried, and a
thousand of those take minutes of what is not measured here.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.online import ours
from benchmarks.online.lines.line import Line, at_least
from benchmarks.online.wrk import Load, Wrk
from domain.online import deployment_scale, online_deployment, online_endpoint
from domain.ports import Create
from infra.compute.local.processes.process_groups import cpu_seconds
from infra.embedded.data_folder import DataFolder
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from outside import serving
from outside.running_host import RunningHost
from outside.waiting import until

_IDLE = {"ML_ENDPOINTS_SCALE_IDLE_TIME": "1"}
_SLEEPS = {"scaleSettings": {"scaleType": "TargetUtilization", "minInstances": 0}}
_BARE = "def init(): pass\ndef run(data): return 1\n"
_SLEEPER = "sleeper-0000"
_KINDS = (online_endpoint.KIND, online_deployment.KIND, deployment_scale.ASLEEP_KIND)
_TURNS = 5
_SECONDS = 3
_REACH = 0.95
"""What is left of the requests/s of one endpoint alone: less is more than noise."""
_CALM = 0.25
"""Of a core: a host that uses less has looked at all that it found when it started."""


def measure(folder: Path, wrk: Wrk, endpoints: int) -> list[Line]:
    """Two hosts, one with one endpoint and one with all, asked in turns."""
    with (
        RunningHost(folder / "one", "--port", "0", "--http") as one,
        RunningHost(folder / "many", "--port", "0", "--http", environment=_IDLE) as many,
    ):
        for host in (one, many):
            ours.deployed(host)
        _put_to_sleep(many, serving.codes(many, "asleep", {"score.py": _BARE}))
        many.stop()
        asyncio.run(_copy(many.data_dir, endpoints - 2))
        many.start()
        shown = many.workspace.get(f"onlineEndpoints/sleeper-{endpoints - 2:04}")
        assert shown["properties"]["provisioningState"] == "Succeeded", shown
        until(lambda: _is_calm(many), patience=120, every=0, what="a host that has settled")
        questions = [ours.question(host) for host in (one, many)]
        turns = [[wrk.run(each, 8, _SECONDS) for each in questions] for _ in range(_TURNS)]
    alone, among = zip(*turns, strict=True)
    return [_line(alone, among, endpoints)]


def _put_to_sleep(host: RunningHost, script: str) -> None:
    """With a deployment that has all the traffic, and no instance by the time this returns."""
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


def _line(alone: Sequence[Load], among: Sequence[Load], endpoints: int) -> Line:
    share = median(load.rate for load in among) / median(load.rate for load in alone)
    p50, p50_alone = (median(load.p50 for load in loads) for loads in (among, alone))
    told = f"{share:.2f} x (p50 {p50:.2f} ms, alone {p50_alone:.2f} ms)"
    what = f"requests/s with {endpoints:,} routed endpoints, all but one at zero, to one alone"
    return at_least(what, told, share, _REACH, "x")
