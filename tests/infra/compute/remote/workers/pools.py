"""Pools as the tests of what is made of them have them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from domain.ports import (
    Cluster,
    EnvironmentSpec,
    InstanceSize,
    Program,
    SealedFolder,
    WorkersWorkload,
)
from infra.compute.remote.serving_record import Standing
from infra.compute.remote.workers.pool_record import PoolNode, PoolRecord

IDLE = timedelta(seconds=60)
READY = Standing(prepared=True)


def workload(
    key: str, wanted: int, *, mode: str = "", cluster: Cluster | None = None
) -> WorkersWorkload:
    """Of another `mode`: one of another pool."""
    code = SealedFolder("assets", "code", "seal")
    program = Program(
        EnvironmentSpec("3.11", ()), None, code, "score.py", {"M": mode}, InstanceSize(1, 2**30)
    )
    return WorkersWorkload(key, "1", program, wanted, cluster=cluster or Cluster(idle_time=IDLE))


def pool(mode: str = "", *, cluster: Cluster | None = None, **jobs: int) -> PoolRecord:
    """A prepared one, of jobs that want so many workers each; a deployment wants none."""
    record = PoolRecord.begin(workload("batch/none", 1, mode=mode, cluster=cluster), "secret")
    for number, (key, wanted) in enumerate(jobs.items()):
        asked = workload(f"batch/{key}", wanted, mode=mode, cluster=cluster)
        record = record.joined(asked, "secret", float(number))
    return replace(record, standing=READY)


def with_nodes(record: PoolRecord, count: int, **more: Any) -> PoolRecord:
    nodes = tuple(PoolNode(f"n{n}", n, f"10.0.0.{n}:5001", True) for n in range(count))
    return replace(record, nodes=nodes, share=more.pop("share", count), **more)
