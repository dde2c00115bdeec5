"""Several hosts on one set of stores, each with a compute of its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from domain.ground.access import trusted
from domain.ground.messages import BATCH_JOBS_QUEUE, MINI_BATCHES_QUEUE, ScoreUnit
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import JobStore
from domain.jobs.units.job_workers import OUT_OF_QUOTA, JobWorkers
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.ports import (
    Observation,
    Page,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkloadState,
)
from tests.kit.mischief import Mischief
from tests.kit.script_workers import FunctionWorkers, line_counts
from tests.kit.stages.batch_stage import LOCK, BatchStage
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    online_deployment,
    opened,
)

KEY = "online/iris/blue"


@dataclass
class Two:
    one: ProvisioningStage
    other: ProvisioningStage


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with opened(tmp_path) as one, opened(tmp_path, one.clock) as other:
        yield Two(one, other)


async def change(stage: ProvisioningStage, **properties: Any) -> None:
    await stage.online.provisioning.put_deployment(
        "iris", "blue", online_deployment(**properties), trusted(CALLER), ANY
    )
    await stage.settle()


async def test_what_another_host_made_is_set_going_here_without_a_message(two: Two) -> None:
    await two.one.iris("blue")
    await two.other.online.restorer.restore()
    assert two.other.compute.running == two.one.compute.running
    assert await two.one.turn() == 0
    await two.other.online.restorer.restore()
    assert two.other.compute.ensured == [KEY], "what runs is left as it is"


async def test_what_another_host_changed_is_changed_here(two: Two) -> None:
    await two.one.iris("blue")
    await two.other.online.restorer.restore()
    await change(two.one, environment_variables={"NEW": "yes"}, capacity=2)
    await two.other.online.restorer.restore()
    assert two.other.compute.running == two.one.compute.running
    assert two.other.compute.running[KEY].instance_count == 2


async def test_what_another_host_removed_is_removed_here_and_nothing_else(two: Two) -> None:
    await two.one.iris("blue", "green")
    await two.other.online.restorer.restore()
    running = two.other.compute.running
    job = replace(running[KEY], key="batch/a-job")
    await two.other.compute.ensure(job)
    await two.one.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)
    await two.one.settle()
    await two.other.online.restorer.restore()
    await two.other.batch.restorer.restore()
    assert set(running) == {"online/iris/green", "batch/a-job"}


async def test_many_deployments_are_looked_at_in_turns_after_the_first_time(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.provisioning.restorer.PAGES", 1)
    query = two.other.store.query

    async def small_pages(kind: str, **asked: Any) -> Page:
        return await query(kind, **{**asked, "page_size": 1})

    monkeypatch.setattr(two.other.store, "query", small_pages)
    await two.one.iris("blue", "green", "red")
    await two.other.online.restorer.restore()
    running = two.other.compute.running
    assert running == two.one.compute.running, "all of them, at first"
    await two.one.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)
    await two.one.online.provisioning.delete_deployment("iris", "green", CALLER, ANY)
    await two.one.settle()
    del running["online/iris/red"]
    await two.one.put_deployment("white")
    await two.one.settle()
    for _ in range(2):
        assert running != two.one.compute.running
        await two.other.online.restorer.restore()
    await two.other.online.restorer.restore()
    assert running == two.one.compute.running


async def test_what_is_made_again_while_others_are_looked_at_is_no_leftover(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two.one.iris("blue")
    await two.other.online.restorer.restore()
    query = two.other.store.query

    async def while_it_is_gone(kind: str, **asked: Any) -> Page:
        await two.one.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)
        await two.one.settle()
        page = await query(kind, **asked)
        await two.one.put_deployment("blue")
        await two.one.settle()
        return page

    monkeypatch.setattr(two.other.store, "query", while_it_is_gone)
    await two.other.online.restorer.restore()
    assert KEY in two.other.compute.running


async def test_a_change_that_failed_on_another_host_does_not_stay_here(two: Two) -> None:
    await two.one.iris("blue")
    await two.other.online.restorer.restore()
    proven = two.other.compute.running[KEY]
    two.one.compute.told[KEY] = WorkloadState.FAILED
    await change(two.one, environment_variables={"NEW": "yes"})
    assert await two.one.deployment_state() == "Failed"
    failed = two.one.compute.running[KEY]
    await two.other.compute.ensure(failed)
    for stage in (two.one, two.other):
        await stage.online.restorer.restore()
    assert two.other.compute.running[KEY] == proven
    assert two.one.compute.running[KEY] == failed, "kept for its logs; what served serves on"


async def test_what_changes_while_it_is_looked_at_is_left_for_the_next_time(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two.one.iris("blue")
    observe = two.other.compute.observe

    async def slow(key: str) -> Observation | None:
        monkeypatch.undo()
        await change(two.one, environment_variables={"NEW": "yes"})
        return await observe(key)

    monkeypatch.setattr(two.other.compute, "observe", slow)
    await two.other.online.restorer.restore()
    assert not two.other.compute.running
    await two.other.online.restorer.restore()
    assert two.other.compute.running == two.one.compute.running


# -- batch jobs -------------------------------------------------------------------------------


class EndlessWorkers(FunctionWorkers):
    """Runs every unit for ever."""

    def __init__(self, holder: str) -> None:
        super().__init__(line_counts, Mischief(), [], holder=holder)
        self.asked: list[str] = []

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        self.asked.append(request.attempt_id)
        await asyncio.sleep(0)
        return None


async def running(stage: BatchStage) -> str:
    """A job with one unit, whose message waits to be taken."""
    await stage.deploy(mini_batch_size=1)
    await stage.upload({"0.txt": "0\n"})
    name = await stage.invoke()
    for _ in range(100):
        await stage.host.turn([BATCH_JOBS_QUEUE])
        stage.clock.time += 0.1
        if (await stage.view(name)).job.status is JobStatus.RUNNING:
            return name
    raise AssertionError("the job does not run")


def others(stage: BatchStage) -> FunctionWorkers:
    """Another host's."""
    return FunctionWorkers(line_counts, stage.mischief, stage.started, holder="other")


def host(stage: BatchStage, workers: Workers) -> UnitDelivery:
    """Another host's scoring of units."""
    job_workers = JobWorkers(JobStore(stage.store), workers, stage.batch.workloads)
    return stage.units_on(workers=workers, job_workers=job_workers)


async def sent(stage: BatchStage) -> tuple[ScoreUnit, str]:
    """The one unit's message and its id, taken off the queue."""
    stage.clock.time += 2
    [message] = await stage.queue.receive(MINI_BATCHES_QUEUE, 10, LOCK)
    await stage.queue.complete(message.lock_token)
    return ScoreUnit.model_validate_json(message.body), message.id


async def test_a_unit_brings_its_jobs_workers_to_the_host_that_takes_it(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        name = await running(stage)
        workers = others(stage)
        await host(stage, workers).score(*await sent(stage))
        assert list(workers.looks) == [f"batch/{name}"]
        await stage.pump()
        assert (await stage.view(name)).job.status is JobStatus.COMPLETED


async def test_a_unit_that_finds_a_full_host_is_there_for_others(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        name = await running(stage)
        workers = others(stage)
        workers.looks["batch/another-job"] = 2
        workers.fails = Observation(
            "1", WorkloadState.FAILED, 0, 1, code=OUT_OF_QUOTA, reason="full"
        )
        await host(stage, workers).score(*await sent(stage))
        assert list(workers.looks) == ["batch/another-job"]
        await stage.pump()
        assert (await stage.view(name)).job.status is JobStatus.COMPLETED


async def test_an_attempt_that_goes_on_in_one_host_is_not_begun_in_another(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        name = await running(stage)
        both = EndlessWorkers("one"), EndlessWorkers("other")
        one, other = (host(stage, workers) for workers in both)
        await one.score(*await sent(stage))
        for _ in range(3):
            await other.score(*await sent(stage))
        assert both[1].asked == []
        await one.score(*await sent(stage))
        assert both[0].asked == [f"{name}/00000000-000000"] * 2
        stage.clock.time += 60
        await other.score(*await sent(stage))
        assert both[1].asked == [f"{name}/00000000-000001"], "its host is gone: anew"


async def test_workers_of_a_job_that_is_over_are_taken_away_here_too(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        name = await running(stage)
        workers = others(stage)
        job_workers = JobWorkers(JobStore(stage.store), workers, stage.batch.workloads)
        message = await sent(stage)
        await host(stage, workers).score(*message)
        workers.looks |= {"batch/unheard-of": 2, "batch-deployment/irises/blue": 2}
        await job_workers.clear()
        assert set(workers.looks) == {f"batch/{name}", "batch-deployment/irises/blue"}
        job = (await stage.view(name)).job
        await stage.pump()
        await job_workers.clear()
        assert not await job_workers.join(job), "none are started for it any more"
        assert set(workers.looks) == {"batch-deployment/irises/blue"}
