"""Worker processes that batch jobs share."""

import asyncio
import contextlib
import os
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from domain.ports import (
    BlobFolder,
    Cluster,
    UnitInput,
    UnitMiniBatch,
    UnitOutcome,
    UnitRequest,
    WorkersWorkload,
    WorkloadState,
)
from infra.compute.local.workers.worker_pool import WorkerPool
from tests.infra.compute.conftest import House, is_running, opened
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually
from tests.kit.web_server import reply, web_server

ONE, TWO, THREE = "batch/one", "batch/two", "batch/three"

SCRIPT = """
import os, signal, time
def init(): print("init", os.getpid())
def run(mini_batch):
    word, _, rest = open(mini_batch[0]).read().partition(" ")
    if word == "wait":
        open(rest + f".{os.getpid()}", "w").close()
        while not os.path.exists(rest): time.sleep(0.005)
    if word == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if word == "leak":
        # Twice what it may have, and no more however late it is killed.
        held = [bytearray(os.urandom(1) * (16 << 20)) for _ in range(32)]
        time.sleep(600)
    print("ran", rest)
    return [os.getpid()]
"""


def text_of(outcome: UnitOutcome, request: UnitRequest) -> str:
    assert outcome.lost is None, outcome.lost
    assert request.block_url is not None
    return Path(request.block_url.removeprefix("file://")).read_text()


class Jobs:
    """Jobs of one deployment, and units of them."""

    def __init__(self, house: House, workload: WorkersWorkload) -> None:
        self.house = house
        self.workload = workload
        self._units = 0

    async def begin(self, key: str, **changes: Any) -> None:
        await self.house.begin(self.asked(key, **changes))

    def asked(self, key: str, *, mode: str | None = None, **changes: Any) -> WorkersWorkload:
        """What the job `key` wants; those of another `mode` run something else."""
        workload = replace(self.workload, key=key, **changes)
        variables = {"MODE": mode} if mode else {}
        return replace(workload, program=replace(workload.program, environment_variables=variables))

    async def unit(self, content: str) -> UnitRequest:
        self._units += 1
        return await self.house.unit(f"u{self._units}", [[content]])

    async def run(self, key: str, content: str = "x") -> UnitOutcome:
        request = await self.unit(content)
        while True:
            outcome = await self.house.workers.run_unit(key, request, wait=PATIENCE)
            if outcome is not None:
                return outcome

    async def process(self, key: str, content: str = "x") -> int:
        """Which one ran a unit."""
        request = await self.unit(content)
        outcome = await self.house.workers.run_unit(key, request, wait=PATIENCE)
        assert outcome is not None
        return int(text_of(outcome, request).rpartition(",")[2])

    def processes(self) -> set[int]:
        command = str(self.house.data)
        found = set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                # The one that leads its group: each has a sentry beside it.
                pid = int(entry.name) if entry.name.isdecimal() else 0
                if pid and is_running(pid) and os.getpgid(pid) == pid:
                    line = (entry / "cmdline").read_bytes().decode().replace("\0", " ")
                    if command in line and " work " in line:
                        found.add(pid)
        return found


def pool(house: House, key: str) -> WorkerPool:
    found = house.compute.workers.pools.pool(key)
    assert found is not None
    return found


def waiting(house: House, key: str) -> int:
    """How many units of a job wait for a worker."""
    return pool(house, key).waiting(key)


async def jobs_of(house: House, **more: Any) -> Jobs:
    return Jobs(house, await house.batch(SCRIPT, **more))


async def test_workers_end_when_nobody_has_needed_them_for_the_idle_time(house: House) -> None:
    jobs = await jobs_of(house)
    await jobs.begin(ONE, cluster=Cluster(idle_time=timedelta(hours=1)))
    kept = await jobs.process(ONE)
    await house.workers.remove(ONE, grace=timedelta(0))
    await jobs.begin(TWO, cluster=Cluster(idle_time=timedelta(seconds=0.2)))
    ended = await jobs.process(TWO)
    await house.workers.remove(TWO, grace=timedelta(0))
    await eventually(lambda: not is_running(ended))
    assert is_running(kept)
    assert await house.workers.keys() == []


async def test_workers_of_a_jobs_own_output_folder_are_not_kept(house: House) -> None:
    jobs = await jobs_of(house, output=BlobFolder("out", "one"))
    await jobs.begin(ONE)
    pid = await jobs.process(ONE)
    await house.workers.remove(ONE, grace=timedelta(0))
    await eventually(lambda: not is_running(pid))


async def test_a_job_that_is_taken_away_stops_at_once_and_the_others_go_on(house: House) -> None:
    jobs = await jobs_of(house)
    gate = house.data / "gate"
    await jobs.begin(ONE)
    await jobs.begin(TWO)
    held = [asyncio.create_task(jobs.run(key, f"wait {gate}")) for key in (ONE, TWO)]
    await eventually(lambda: len(list(house.data.glob("gate.*"))) == 2)
    request = await jobs.unit("x")
    waiting = asyncio.create_task(house.workers.run_unit(ONE, request, wait=PATIENCE))
    for _ in range(5):
        await asyncio.sleep(0)
    assert await eventually(lambda: house.workers.remove(ONE, grace=timedelta(seconds=5)))
    assert (await held[0]).lost
    left = await waiting
    assert left is not None
    assert "taken away" in str(left.lost)
    gate.touch()
    assert (await held[1]).lost is None
    await eventually(lambda: len(jobs.processes()) == 1)


async def test_no_job_holds_more_workers_than_it_asked_for(house: House) -> None:
    jobs = await jobs_of(house)
    gate = house.data / "gate"
    await jobs.begin(ONE, worker_count=1)
    await jobs.begin(TWO, worker_count=3)
    await eventually(lambda: len(house.ready_workers(ONE)) >= 3)
    held = [asyncio.create_task(jobs.run(ONE, f"wait {gate}")) for _ in range(3)]
    await eventually(lambda: list(house.data.glob("gate.*")))
    # The two that are idle are not for it.
    assert len({await jobs.process(TWO) for _ in range(4)}) >= 1
    assert len(list(house.data.glob("gate.*"))) == 1
    gate.touch()
    assert [each.lost for each in await asyncio.gather(*held)] == [None] * 3


async def test_jobs_take_turns_whatever_they_have_waiting(house: House) -> None:
    jobs = await jobs_of(house)
    gate = house.data / "gate"
    alone = Cluster(most_processes=1)
    await jobs.begin(ONE, cluster=alone)
    await jobs.begin(TWO, cluster=alone)
    held = asyncio.create_task(jobs.run(ONE, f"wait {gate}"))
    await eventually(lambda: list(house.data.glob("gate.*")))
    ended: list[str] = []

    async def run(key: str) -> None:
        await jobs.run(key)
        ended.append(key)

    many = [asyncio.create_task(run(ONE)) for _ in range(6)]
    await eventually(lambda: waiting(house, ONE) == 6)
    few = [asyncio.create_task(run(TWO)) for _ in range(3)]
    await eventually(lambda: waiting(house, TWO) == 3)
    gate.touch()
    await asyncio.gather(held, *many, *few)
    assert ended[:6].count(TWO) == 3, "it waited for no more than its turn"


async def test_a_pool_has_as_many_as_its_jobs_ask_and_its_compute_allows(house: House) -> None:
    jobs = await jobs_of(house)
    for key in (ONE, TWO, THREE):
        await jobs.begin(key, worker_count=2, cluster=Cluster("small", 3))
    await eventually(lambda: len(house.ready_workers(ONE)) == 3)
    await asyncio.gather(*(jobs.run(key) for key in (ONE, TWO, THREE) for _ in range(4)))
    assert len(jobs.processes()) == 3


async def test_where_there_are_too_few_for_all_they_take_slices(tmp_path: Path) -> None:
    async with opened(tmp_path, processes=1, slice_seconds=0.4, lease_wait=0.2) as house:
        jobs = await jobs_of(house)
        ended: Counter[str] = Counter()

        async def job(key: str) -> None:
            workload = jobs.asked(key, mode=key)
            await house.workers.ensure(workload)
            # None ends: who had to wait for another's end would never come.
            while True:
                assert (await jobs.run(key)).lost is None
                ended[key] += 1
                assert len(jobs.processes()) <= 1

        working = [asyncio.create_task(job(key)) for key in (ONE, TWO, THREE)]

        def all_have_had_turns() -> bool:
            assert not any(task.done() for task in working)
            return min(ended[key] for key in (ONE, TWO, THREE)) >= 2

        await eventually(all_have_had_turns)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def test_a_worker_that_takes_longer_to_start_than_a_slice_does_start(tmp_path: Path) -> None:
    gate = tmp_path / "loaded"
    script = f"""
    import os, time
    def init():
        while not os.path.exists({str(gate)!r}): time.sleep(0.005)
    def run(mini_batch): return [os.getpid()]
    """
    async with opened(tmp_path, processes=1, slice_seconds=0.001) as house:
        jobs = Jobs(house, await house.batch(script))
        await house.workers.ensure(jobs.asked(ONE))
        await eventually(lambda: len(jobs.processes()) == 1)
        started = jobs.processes()
        other = jobs.asked(TWO, mode="b")
        await house.workers.ensure(other)
        await eventually(lambda: pool(house, TWO).fleet.is_prepared)
        running = [asyncio.create_task(jobs.process(key)) for key in (ONE, TWO)]
        await eventually(lambda: waiting(house, ONE) == waiting(house, TWO) == 1)
        for _ in range(3):
            house.compute.workers.pools.balance()
        gate.touch()
        first, second = await asyncio.gather(*running)
        assert {first} == started
        assert second != first


async def test_an_idle_worker_gives_way_to_a_job_and_to_a_deployment(tmp_path: Path) -> None:
    async with opened(tmp_path, processes=1) as house:
        jobs = await jobs_of(house)
        await jobs.begin(ONE)
        first = await jobs.process(ONE)
        await house.workers.remove(ONE, grace=timedelta(0))
        await jobs.begin(TWO, mode="b")
        await eventually(lambda: not is_running(first))
        second = await jobs.process(TWO)
        await house.workers.remove(TWO, grace=timedelta(0))
        await house.serve(await house.workload())
        await eventually(lambda: not is_running(second))
        refused = await house.workers.ensure(jobs.asked(ONE))
        assert (refused.state, refused.code) == (WorkloadState.FAILED, "OutOfQuota")
        assert await house.workers.observe(ONE) is None


async def test_what_comes_to_lie_beside_registered_code_is_not_run(house: House) -> None:
    jobs = await jobs_of(house)
    await jobs.begin(ONE)
    first = await jobs.process(ONE)
    await house.workers.remove(ONE, grace=timedelta(0))
    code = jobs.workload.program.code
    assert code is not None
    await house.blobs.write(code.container, f"{code.path}/other.py", b"# more\n")
    await jobs.begin(TWO)
    assert await jobs.process(TWO) == first
    await house.workers.remove(TWO, grace=timedelta(0))
    other = replace(code, seal=(await sealed(house.blobs, "assets", code.path)).seal)
    program = replace(jobs.workload.program, code=other)
    later = Jobs(house, replace(jobs.workload, program=program))
    await later.begin(ONE)
    assert await later.process(ONE) != first


async def test_a_pool_whose_script_fails_is_begun_anew_by_the_next_job(house: House) -> None:
    gate = house.data / "fixed"
    script = f"""
    import os
    def init():
        if not os.path.exists({str(gate)!r}): os._exit(3)
    def run(mini_batch): return [os.getpid()]
    """
    jobs = Jobs(house, await house.batch("import no_such_module_here\n" + script.strip("\n")))
    await house.workers.ensure(jobs.asked(ONE))
    failed = await house.reach(ONE, WorkloadState.FAILED)
    assert failed.reason is not None
    await house.workers.remove(ONE, grace=timedelta(0))
    again = await house.workers.ensure(jobs.asked(TWO))
    assert again.state is not WorkloadState.FAILED


@pytest.mark.parametrize(("content", "why"), [("kill", "SIGKILL"), ("leak", "memory")])
async def test_a_script_that_is_killed_or_leaks_fails_only_its_mini_batch(
    house: House, content: str, why: str
) -> None:
    jobs = await jobs_of(house, memory=256 << 20)
    await jobs.begin(ONE, worker_count=2)
    await eventually(lambda: len(house.ready_workers(ONE)) == 2)
    gate = house.data / "gate"
    good = asyncio.create_task(jobs.run(ONE, f"wait {gate}"))
    await eventually(lambda: list(house.data.glob("gate.*")))
    bad = await jobs.run(ONE, content)
    assert bad.lost_ordinal == 0
    assert why in str(bad.lost)
    gate.touch()
    assert (await good).lost is None
    await eventually(lambda: len(house.ready_workers(ONE)) == 2)
    assert (await jobs.run(ONE)).lost is None


async def test_a_unit_that_finds_no_worker_is_left_waiting_and_keeps_its_place(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, lease_wait=0.05) as house:
        jobs = await jobs_of(house)
        await jobs.begin(ONE)
        gate = house.data / "gate"
        held = asyncio.create_task(jobs.run(ONE, f"wait {gate}"))
        await eventually(lambda: list(house.data.glob("gate.*")))
        waiting = await jobs.unit("x")
        assert await house.workers.run_unit(ONE, waiting, wait=PATIENCE) is None
        gate.touch()
        assert (await held).lost is None
        outcome = await house.workers.run_unit(ONE, waiting, wait=PATIENCE)
        assert outcome is not None
        assert outcome.rows == 1


async def test_inputs_of_the_unit_that_waits_are_fetched_while_another_runs(house: House) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1].decode())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    jobs = await jobs_of(house)
    await jobs.begin(ONE)
    gate = house.data / "gate"
    held = asyncio.create_task(jobs.run(ONE, f"wait {gate}"))
    await eventually(lambda: list(house.data.glob("gate.*")))
    local = await jobs.unit("x")
    remote = UnitInput("far.txt", f"http://127.0.0.1:{port}/far")
    request = replace(local, mini_batches=(UnitMiniBatch(0, (remote,), 1),))
    waiting = asyncio.create_task(house.workers.run_unit(ONE, request, wait=PATIENCE))
    await eventually(lambda: asked)
    assert not held.done()
    gate.touch()
    outcome = await waiting
    assert outcome is not None
    assert outcome.rows == 1
    assert (await held).lost is None
    assert asked == ["/far"]
    server.close()


async def test_closing_leaves_no_worker(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        jobs = await jobs_of(house)
        await jobs.begin(ONE)
        warm = await jobs.process(ONE)
        await house.workers.remove(ONE, grace=timedelta(0))
        await jobs.begin(TWO, mode="b")
        busy = asyncio.create_task(jobs.run(TWO, f"wait {house.data / 'never'}"))
        await eventually(lambda: len(jobs.processes()) == 2)
        pids = jobs.processes()
        assert warm in pids
    await asyncio.gather(busy, return_exceptions=True)
    assert not any(map(is_running, pids))
    assert os.getpid() not in pids


async def test_a_unit_under_way_goes_on_by_the_urls_that_it_is_asked_for_with_last(
    house: House,
) -> None:
    jobs = await jobs_of(house)
    await jobs.begin(ONE)
    gate = house.data / "gate"
    first = await jobs.unit(f"wait {gate}")
    with web_server() as web:

        def asked(signature: str) -> UnitRequest:
            url = f"{web.url}/late?se=2020-01-01T00%3A00%3A00Z&sig={signature}"
            late = UnitMiniBatch(1, (UnitInput("late.txt", url),), 1)
            return replace(first, mini_batches=(*first.mini_batches, late))

        def answer(request: BaseHTTPRequestHandler) -> None:
            reply(request, 200 if "sig=new" in request.path else 403, b"x")

        web.answers["/late"] = answer
        assert await house.workers.run_unit(ONE, asked("old"), wait=0.01) is None
        await eventually(lambda: bool(list(house.data.glob("gate.*"))) and bool(web.asked))
        gate.touch()
        outcome = await house.workers.run_unit(ONE, asked("new"), wait=PATIENCE)
    assert outcome is not None
    assert [result.error for result in outcome.results] == [None, None]
    assert outcome.rows == 2
