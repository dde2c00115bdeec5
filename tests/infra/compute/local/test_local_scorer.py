import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.ports import (
    BlobFolder,
    Instance,
    InstanceLost,
    ScoringRequest,
    UnitOutcome,
    UnitRequest,
    WorkloadState,
)
from tests.infra.compute.conftest import House
from tests.kit.waiting import PATIENCE, eventually

JOB = "batch/job1"

UPPER = """
import os, time
def init(): pass
def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = open(path).read()
        if text == "hang": time.sleep(600)
        if text == "crash": os._exit(11)
        if text == "raise": raise ValueError("no number in it")
        if text.startswith("wait "):
            while not os.path.exists(text[5:]): time.sleep(0.01)
        rows.append(text.upper())
    return rows
"""


async def collect(house: House, request: UnitRequest) -> UnitOutcome:
    outcome = await house.workers.run_unit(JOB, request, wait=PATIENCE)
    assert outcome is not None
    return outcome


async def test_a_unit_is_scored_and_its_block_written(house: House) -> None:
    await house.begin(await house.batch(UPPER))
    request = await house.unit("a1", [["one", "two"], ["three"]])
    outcome = await collect(house, request)
    assert outcome.lost is None
    assert [(each.ordinal, each.succeeded) for each in outcome.results] == [(0, True), (1, True)]
    assert outcome.rows == 3
    assert outcome.columns[:2] == ("input_file", "input_row")
    assert request.block_url is not None
    block = Path(request.block_url.removeprefix("file://"))
    assert await asyncio.to_thread(lambda: block.stat().st_size) == outcome.length


async def test_an_exception_fails_its_mini_batch_alone(house: House) -> None:
    await house.begin(await house.batch(UPPER))
    outcome = await collect(house, await house.unit("a1", [["raise"], ["fine"]], tries=2))
    assert outcome.lost is None
    failed, fine = outcome.results
    assert (failed.succeeded, failed.tries, fine.succeeded) == (False, 2, True)
    assert "no number in it" in str(failed.error)


async def test_a_mini_batch_past_its_timeout_loses_its_worker_which_is_replaced(
    house: House,
) -> None:
    await house.begin(await house.batch(UPPER))
    for number in range(10):
        # Where the machine is too slow for the one that is fine, twice the time.
        timeout = 0.5 * 2**number
        unit = await house.unit(f"a{number}", [["fine"], ["hang"]], timeout=timeout)
        [before] = await eventually(lambda: house.ready_workers(JOB))
        outcome = await collect(house, unit)
        if outcome.lost_ordinal != 0:
            break
    assert outcome.lost_ordinal == 1
    assert f"timeout of {timeout:g} s" in str(outcome.lost)
    assert [each.ordinal for each in outcome.results] == [0]
    again = await collect(house, await house.unit("again", [["fine"]]))
    assert again.lost is None
    assert house.ready_workers(JOB)[0].address != before.address


async def test_a_crash_is_blamed_on_the_mini_batch_under_way(house: House) -> None:
    await house.begin(await house.batch(UPPER))
    for attempt in range(8):
        outcome = await collect(house, await house.unit(f"a{attempt}", [["fine"], ["crash"]]))
        assert outcome.lost_ordinal == 1
        assert "exit status 11" in str(outcome.lost)
    observation = await house.workers.observe(JOB)
    assert observation is not None
    assert observation.state is not WorkloadState.FAILED


async def test_a_worker_writes_to_the_jobs_output_folder(house: House) -> None:
    script = """
    import os
    def init(): pass
    def run(mini_batch):
        with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "mine.txt"), "w") as file:
            file.write("own output")
        return [1] * len(mini_batch)
    """
    await house.begin(await house.batch(script, output=BlobFolder("out", "azureml/job1/score")))
    outcome = await collect(house, await house.unit("a1", [["x"]]))
    assert outcome.results[0].succeeded, outcome.results
    pieces = [p async for p in house.blobs.read("out", "azureml/job1/score/mine.txt")]
    assert b"".join(pieces) == b"own output"


async def test_an_attempt_is_joined_and_not_repeated(house: House) -> None:
    await house.begin(await house.batch(UPPER))
    gate = house.data / "gate"
    request = await house.unit("a1", [[f"wait {gate}"]])
    assert await house.workers.run_unit(JOB, request, wait=0.05) is None
    joined = [asyncio.create_task(collect(house, request)) for _ in range(2)]
    gate.touch()
    first, second = await asyncio.gather(*joined)
    assert first == second
    assert first.rows == 1


async def test_units_wait_for_an_idle_worker(house: House) -> None:
    await house.begin(await house.batch(UPPER, workers=2))
    requests = [await house.unit(f"a{number}", [["x"]]) for number in range(6)]
    outcomes = await asyncio.gather(*(collect(house, request) for request in requests))
    assert [outcome.lost for outcome in outcomes] == [None] * 6


async def test_a_worker_that_is_never_ready_blames_no_mini_batch(house: House) -> None:
    await house.workers.ensure(await house.batch("import no_such_module_here"))
    outcome = await collect(house, await house.unit("a1", [["x"]]))
    assert outcome.lost_ordinal is None
    assert "no_such_module_here" in str(outcome.lost)


async def test_a_unit_whose_workers_are_removed_is_lost_without_blame(house: House) -> None:
    await house.workers.ensure(await house.batch("import time\ndef init(): time.sleep(600)"))
    waiting = asyncio.create_task(collect(house, await house.unit("a1", [["x"]])))

    async def known() -> bool:
        return bool(await house.workers.keys())

    await eventually(known)
    await house.workers.run_unit(JOB, await house.unit("a1", [["x"]]), wait=0.05)
    await house.end(JOB)
    outcome = await waiting
    assert outcome.lost_ordinal is None
    assert "taken away" in str(outcome.lost)


async def test_an_instance_that_is_gone_saw_nothing(house: House) -> None:
    request = ScoringRequest("POST", "/score", "", [], b"[]")
    with pytest.raises(InstanceLost) as lost:
        await house.compute.scorer.score(Instance("x", "/nowhere/x.s"), request, timeout=PATIENCE)
    assert not lost.value.sent


async def test_a_slow_answer_is_a_timeout(house: House) -> None:
    gate = house.data / "gate"
    script = f"""
    import os, time
    def init(): pass
    def run(d):
        while not os.path.exists({str(gate)!r}): time.sleep(0.01)
    """
    await house.serve(await house.workload(script))
    with pytest.raises(TimeoutError):
        await house.score("online/iris/blue", timeout=0.2)
    gate.touch()


async def test_large_bodies_stream_both_ways_unchanged(house: House) -> None:
    await house.serve(await house.workload("def init(): pass\ndef run(data): return data"))

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"data": "'
        for number in range(64):
            yield bytes([97 + number % 26]) * 65536
        yield b'"}'

    answer = await house.score("online/iris/blue", pieces())
    assert answer.status == 200
    assert not isinstance(answer.body, bytes)
    content = b"".join([piece async for piece in answer.body])
    sent = b"".join([piece async for piece in pieces()])
    assert json.loads(content) == sent.decode()
    address = house.serving.instances("online/iris/blue")[0].address
    assert house.compute.premises.http.in_flight(address) == 0
