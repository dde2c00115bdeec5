"""The contract of domain.ports.Workers. Scripts do what the inputs' contents tell them to, and
gates are files that they see; `life` in a row says which worker made it."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import (
    BlobFolder,
    Cluster,
    LogKind,
    WorkersWorkload,
    WorkloadState,
)
from tests.contract.compute_fixtures import OpenCompute
from tests.kit.stages.compute_place import Gate, Place
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINTED, PREPARED = LogKind.INFERENCE_SERVER, LogKind.STORAGE_INITIALIZER
AT_ONCE = timedelta(0)


@pytest.fixture(scope="module", params=["local", "docker"])
def compute_family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


KEPT = Cluster(idle_time=timedelta(hours=1))

OBEYS = """
import os, time, uuid
life = uuid.uuid4().hex
def init(): print("the worker is ready")
def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = open(path).read()
        word, _, rest = text.partition(" ")
        if word == "hang": time.sleep(600)
        if word == "crash": os._exit(11)
        if word == "raise": raise ValueError("no number in it")
        if word == "wait":
            begun, gate = rest.split()
            open(begun, "a").close()
            while not os.path.exists(gate): time.sleep(0.01)
        if word == "say": print("ran", rest)
        rows.append(f"{word} {life}")
    return rows
"""


def held(begun: Gate, gate: Gate) -> str:
    """What a file says whose mini-batch waits for the gate."""
    return f"wait {begun.file} {gate.file}"


async def lives(place: Place, key: str, count: int = 1) -> list[str]:
    """Which workers ran so many units, one after the other."""
    found = []
    for _ in range(count):
        request = await place.attempt([["x"]])
        outcome = await place.outcome(key, request)
        assert outcome.lost is None, outcome.lost
        found.append((await place.rows(request)).decode().split()[-1])
    return found


async def begun(gates: Sequence[Gate]) -> None:
    await eventually(lambda: all(gate.file.exists() for gate in gates))


# -- a job's workers ------------------------------------------------------------------


async def test_a_job_gets_workers_that_run_its_units(place: Place) -> None:
    job = await place.job(OBEYS, workers=2)
    first = await place.workers.ensure(job)
    assert first.state in (WorkloadState.BUILDING, WorkloadState.STARTING)
    assert (first.ready, first.wanted) == (0, 2)
    ready = await place.begin(job)
    assert (ready.revision, ready.ready, ready.wanted) == ("1", 2, 2)
    assert (ready.code, ready.reason) == (None, None)
    assert job.key in await place.workers.keys()
    request = await place.attempt([["one", "two"], ["three"]])
    outcome = await place.outcome(job.key, request)
    assert outcome.lost is None
    assert [(each.ordinal, each.succeeded, each.returned) for each in outcome.results] == [
        (0, True, 2),
        (1, True, 1),
    ]
    assert outcome.rows == 3
    assert outcome.columns[:2] == ("input_file", "input_row")
    content = await place.rows(request)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (outcome.length, outcome.digest)
    assert [line.split(",")[2].split()[0] for line in content.decode().splitlines()] == [
        "one",
        "two",
        "three",
    ]
    assert await place.log(job.key, PRINTED, "the worker is ready")
    assert await place.workers.logs(job.key, PREPARED, tail=50)


async def test_units_that_are_begun_together_end_each_by_itself(place: Place) -> None:
    job = await place.job(OBEYS, workers=2)
    await place.begin(job)
    texts = ["one", "raise", "two", "crash", "three"]
    requests = [await place.attempt([[text]]) for text in texts]
    await place.workers.begin_units(job.key, requests)
    outcomes = [await place.outcome(job.key, each) for each in requests]
    assert [outcome.lost is None for outcome in outcomes] == [True, True, True, False, True]
    assert outcomes[3].lost_ordinal == 0
    assert [outcome.rows for outcome in outcomes] == [1, 0, 1, 0, 1]
    for number in (0, 2, 4):
        content, outcome = await place.rows(requests[number]), outcomes[number]
        assert content.decode().split(",")[2].split()[0] == texts[number]
        assert hashlib.sha256(content).hexdigest() == outcome.digest


async def test_units_begun_together_do_not_wait_for_one_that_takes_long(place: Place) -> None:
    job = await place.job(OBEYS, workers=2)
    await place.begin(job)
    runs, gate = place.gate(), place.gate()
    requests = [await place.attempt([[text]]) for text in (held(runs, gate), "one", "two")]
    await place.workers.begin_units(job.key, requests)
    first = asyncio.create_task(place.outcome(job.key, requests[0]))
    for each in requests[1:]:
        assert (await place.outcome(job.key, each)).rows == 1
    await begun([runs])
    # Longer than several are asked for together: from then on it is one by itself.
    assert await place.workers.run_unit(job.key, requests[0], wait=3.0) is None
    gate.open()
    assert (await first).rows == 1


async def test_a_job_that_is_removed_blames_none_of_those_that_were_begun_together(
    place: Place,
) -> None:
    job = await place.job(OBEYS, workers=1)
    await place.begin(job)
    runs, gate = place.gate(), place.gate()
    requests = [await place.attempt([[text]]) for text in (held(runs, gate), "one", "two")]
    await place.workers.begin_units(job.key, requests)
    asked = [asyncio.create_task(place.outcome(job.key, each)) for each in requests]
    await begun([runs])
    await place.end(job.key)
    for outcome in await asyncio.gather(*asked):
        assert outcome.lost is not None


async def test_a_job_that_was_never_heard_of_is_not_there(place: Place) -> None:
    key = "batch/unheard-of"
    assert await place.workers.observe(key) is None
    assert key not in await place.workers.keys()
    assert await place.workers.logs(key, PRINTED, tail=5) == ""
    assert await place.workers.remove(key, grace=AT_ONCE)
    outcome = await place.outcome(key, await place.attempt([["x"]]))
    assert outcome.lost_ordinal is None
    assert outcome.lost


async def test_asking_again_changes_nothing_but_the_count(place: Place) -> None:
    job = await place.job(OBEYS)
    await place.begin(job)
    [life] = await lives(place, job.key)

    async def is_as_it_was() -> bool:
        """But for a moment in which a busy machine has it not answer."""
        again = await place.workers.ensure(job)
        return (again.state, again.ready, again.wanted) == (WorkloadState.READY, 1, 1)

    await eventually(is_as_it_was)
    assert await lives(place, job.key) == [life]
    more = await place.workers.ensure(replace(job, worker_count=2))
    assert more.wanted == 2

    async def both() -> bool:
        return (await place.observe(job.key)).ready == 2

    await eventually(both)


async def test_no_workers_still_prepare_what_they_would_need(place: Place) -> None:
    deployment = replace(
        await place.job(OBEYS), key=f"batch-deployment/iris/{next(place.numbers)}", worker_count=0
    )
    ready = await place.begin(deployment)
    assert (ready.ready, ready.wanted) == (0, 0)
    assert deployment.key in await place.workers.keys()
    assert await place.workers.logs(deployment.key, PREPARED, tail=50)
    await place.end(deployment.key)
    assert deployment.key not in await place.workers.keys()
    assert await place.workers.observe(deployment.key) is None


async def test_what_cannot_be_prepared_is_told_and_tried_again_when_asked(place: Place) -> None:
    await place.blobs.write("assets", "models/lost/model.pkl", b"x")
    missing = await sealed(place.blobs, "assets", "models/lost")
    await place.blobs.delete("assets", "models/lost/model.pkl")
    deployment = replace(
        await place.job(OBEYS, model=missing),
        key=f"batch-deployment/iris/{next(place.numbers)}",
        worker_count=0,
    )
    await place.workers.ensure(deployment)
    failed = await place.reach(deployment.key, WorkloadState.FAILED)
    assert failed.code == "AssetChanged"
    assert "assets/models/lost" in str(failed.reason)
    await place.blobs.write("assets", "models/lost/model.pkl", b"x")
    await place.workers.ensure(deployment)
    await place.reach(deployment.key, WorkloadState.READY)


async def test_workers_that_cannot_begin_say_why_and_blame_no_mini_batch(place: Place) -> None:
    job = await place.job("import no_such_module_here")
    await place.workers.ensure(job)
    failed = await place.reach(job.key, WorkloadState.FAILED)
    assert failed.code == "UserScriptImportError"
    assert "no_such_module_here" in str(failed.reason)
    assert await place.log(job.key, PRINTED, "Traceback")
    outcome = await place.outcome(job.key, await place.attempt([["x"]]))
    assert outcome.lost_ordinal is None
    assert "no_such_module_here" in str(outcome.lost)


# -- units ----------------------------------------------------------------------------


async def test_an_exception_fails_its_mini_batch_alone(place: Place) -> None:
    job = await place.job(OBEYS)
    await place.begin(job)
    outcome = await place.outcome(job.key, await place.attempt([["raise"], ["fine"]], tries=2))
    assert outcome.lost is None
    failed, fine = outcome.results
    assert (failed.succeeded, failed.tries, fine.succeeded) == (False, 2, True)
    assert "no number in it" in str(failed.error)
    assert outcome.rows == 1


async def test_a_mini_batch_past_its_timeout_ends_with_its_worker(place: Place) -> None:
    job = await place.job(OBEYS)
    await place.begin(job)
    [before] = await lives(place, job.key)
    for number in range(10):
        # Where the machine is too slow for the one that is fine, twice the time.
        timeout = 0.5 * 2**number
        request = await place.attempt([["fine"], ["hang"]], timeout=timeout)
        outcome = await place.outcome(job.key, request)
        if outcome.lost_ordinal != 0:
            break
    assert outcome.lost_ordinal == 1
    assert f"timeout of {timeout:g} s" in str(outcome.lost)
    assert [each.ordinal for each in outcome.results] == [0]
    assert await lives(place, job.key) != [before], "another one took its place"


async def test_a_death_is_blamed_on_the_mini_batch_under_way_however_often(place: Place) -> None:
    job = await place.job(OBEYS)
    await place.begin(job)
    for _ in range(8):
        outcome = await place.outcome(job.key, await place.attempt([["fine"], ["crash"]]))
        assert outcome.lost_ordinal == 1
        assert "exit status 11" in str(outcome.lost)
        assert [each.ordinal for each in outcome.results] == [0]
    assert (await place.observe(job.key)).state is not WorkloadState.FAILED
    assert await lives(place, job.key)


async def test_an_attempt_goes_on_while_nobody_waits_for_it(place: Place) -> None:
    started, gate = place.gate(), place.gate()
    job = await place.job(OBEYS)
    await place.begin(job)
    request = await place.attempt([[held(started, gate)]])
    for _ in range(3):
        assert await place.workers.run_unit(job.key, request, wait=0.05) is None
    await begun([started])
    # Asked for by two, it is run once.
    joined = [asyncio.create_task(place.outcome(job.key, request)) for _ in range(2)]
    gate.open()
    first, second = await asyncio.gather(*joined)
    assert first == second
    assert first.rows == 1


async def test_units_wait_for_an_idle_worker_and_no_job_has_more_than_it_asked_for(
    place: Place,
) -> None:
    gate, starts = place.gate(), [place.gate() for _ in range(6)]
    job = await place.job(OBEYS, workers=2)
    await place.begin(job)
    requests = [await place.attempt([[held(start, gate)]]) for start in starts]
    running = [asyncio.create_task(place.outcome(job.key, each)) for each in requests]
    await begun(starts[:2])
    assert await place.workers.run_unit(job.key, requests[5], wait=0.05) is None
    assert not any(start.file.exists() for start in starts[2:])
    gate.open()
    outcomes = await asyncio.gather(*running)
    assert [outcome.lost for outcome in outcomes] == [None] * 6


# -- shared workers -------------------------------------------------------------------


async def test_the_next_job_that_runs_the_same_finds_workers_that_are_up(place: Place) -> None:
    one = replace(await place.job(OBEYS), cluster=KEPT)
    await place.begin(one)
    await place.outcome(one.key, await place.attempt([["say one"]]))
    [life] = await lives(place, one.key)
    assert await eventually(lambda: place.workers.remove(one.key, grace=AT_ONCE))
    assert await place.workers.observe(one.key) is None
    two = replace(one, key=f"{one.key}-next", revision="another count")
    seen = await place.workers.ensure(two)
    assert seen.revision == "another count"
    # Whoever hands nodes out is to learn of the job first.
    await place.reach(two.key, WorkloadState.READY)
    await place.outcome(two.key, await place.attempt([["say two"]]))
    assert await lives(place, two.key) == [life]
    log = await place.log(two.key, PRINTED, "ran two")
    assert "ran one" not in log, "what it printed for another job is that job's"


async def test_jobs_that_would_run_something_else_share_nothing(place: Place) -> None:
    one = await place.job(OBEYS)
    variables = {"MODE": "b"}
    other = replace(
        one,
        key=f"{one.key}-mode",
        program=replace(one.program, environment_variables=variables),
    )
    own = replace(one, key=f"{one.key}-own", output=BlobFolder("out", f"{one.key}/own"))
    jobs: list[WorkersWorkload] = [one, other, own]
    for job in jobs:
        await place.begin(job)
    assert len({life for job in jobs for life in await lives(place, job.key)}) == 3


async def test_a_job_that_is_taken_away_ends_at_once_and_the_others_go_on(place: Place) -> None:
    gate, starts = place.gate(), [place.gate(), place.gate()]
    one = await place.job(OBEYS)
    two = replace(one, key=f"{one.key}-beside")
    running = []
    for job, start in zip((one, two), starts, strict=True):
        await place.begin(job)
        request = await place.attempt([[held(start, gate)]])
        running.append(asyncio.create_task(place.outcome(job.key, request)))
    await begun(starts)
    waits = await place.attempt([["x"]])
    assert await place.workers.run_unit(one.key, waits, wait=0.05) is None
    await place.end(one.key, PATIENCE)
    taken, left = await running[0], await place.outcome(one.key, waits)
    assert taken.lost
    assert left.lost_ordinal is None
    assert "taken away" in str(left.lost)
    gate.open()
    assert (await running[1]).lost is None
    assert one.key not in await place.workers.keys()
    assert two.key in await place.workers.keys()


async def test_what_a_script_writes_by_itself_is_in_the_store_with_its_unit(place: Place) -> None:
    script = """
    import os
    def init(): pass
    def run(mini_batch):
        with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "mine.txt"), "w") as file:
            file.write("own output")
        return [1] * len(mini_batch)
    """
    job = await place.job(script, output=BlobFolder("out", "azureml/job1/score"))
    await place.begin(job)
    outcome = await place.outcome(job.key, await place.attempt([["x"]]))
    assert outcome.results[0].succeeded, outcome.results
    pieces = [p async for p in place.blobs.read("out", "azureml/job1/score/mine.txt")]
    assert b"".join(pieces) == b"own output"


# -- where attempts live --------------------------------------------------------------


async def test_a_host_that_comes_back_goes_on_with_what_it_held_or_begins_it_anew(
    open_compute: OpenCompute, tmp_path: Path
) -> None:
    async with open_compute(tmp_path / "one") as place, open_compute(tmp_path / "two") as other:
        holder = place.workers.holder
        assert holder == place.workers.holder
        assert holder is None or holder != other.workers.holder
        started, gate = place.gate(), place.gate()
        job = await place.job(OBEYS)
        await place.begin(job)
        request = await place.attempt([[held(started, gate)]])
        assert await place.workers.run_unit(job.key, request, wait=0.05) is None
        await begun([started])
    gate.open()
    async with open_compute(tmp_path / "one") as place:
        assert place.workers.holder == holder
        await place.begin(job)
        assert (await place.outcome(job.key, request)).rows == 1
