"""Hosts that share a store share the nodes of batch jobs, on a real engine."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from domain.ports import Cluster
from tests.contract.compute_fixtures import OpenCompute
from tests.contract.test_workers import OBEYS, begun, held, lives

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE_NODE = Cluster(most_processes=1)


async def test_two_hosts_share_one_node_by_turns_and_the_one_that_stays_goes_on_with_both_jobs(
    docker_open_compute: OpenCompute, tmp_path: Path
) -> None:
    async with AsyncExitStack() as first, docker_open_compute(tmp_path) as other:
        one = await first.enter_async_context(docker_open_compute(tmp_path))
        job = replace(await one.job(OBEYS), cluster=ONE_NODE)
        others = replace(job, key=f"{job.key}-of-the-other")
        await one.begin(job)
        await other.begin(others)
        [life] = await lives(one, job.key)
        assert await lives(other, others.key) == [life], "the same process"

        started, gate = one.gate(), one.gate()
        runs = await one.attempt([[held(started, gate)]])
        assert await one.workers.run_unit(job.key, runs, wait=0.05) is None
        await begun([started])
        waits = await other.attempt([["x"]])
        assert await other.workers.run_unit(others.key, waits, wait=0.05) is None
        await first.aclose()
        gate.open()
        assert (await other.outcome(others.key, waits)).rows == 1
        assert (await other.outcome(job.key, replace(runs, resumed=True))).rows == 1
        assert (await other.rows(runs)).decode().split()[-1] == life, "it was begun once"
        for key in (job.key, others.key):
            await other.end(key)
