"""A schedule starts one job for each due time, whatever happens between."""

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Conflict, NotFound, PreconditionFailed
from domain.ground.messages import SCHEDULES_QUEUE
from domain.ground.resource import Conditions, Wanted
from domain.jobs.batch_jobs import JobChoice, JobView
from domain.jobs.records.job_status import JobStatus
from domain.schedules.schedule import RunStatus, ScheduleProperties, ScheduleRun
from domain.schedules.schedules import ScheduleView
from tests.kit.mischief import Crash, Mischief
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

SEEDS = range(int(os.environ.get("BATCH_SEEDS", "6")))
ANY = Conditions()


def properties(expression: str = "*/10 * * * *", **changes: Any) -> ScheduleProperties:
    """Over the folder `data`, into a folder of each due time."""
    paths = f"azureml://datastores/{STORE}/paths"
    trigger = {"triggerType": "Cron", "expression": expression, **changes.pop("trigger", {})}
    definition = {
        "endpointName": ENDPOINT,
        "properties": {
            "inputData": {"files": {"jobInputType": "UriFolder", "uri": f"{paths}/data"}},
            "outputData": {"score": {"uri": paths + "/out/${{creation_context.trigger_time}}.csv"}},
        },
        **changes.pop("definition", {}),
    }
    action = {
        "actionType": "InvokeBatchEndpoint",
        "endpointInvocationDefinition": definition,
    }
    return ScheduleProperties.model_validate({"trigger": trigger, "action": action, **changes})


async def put(
    stage: BatchStage, wanted: ScheduleProperties, when: Conditions = ANY
) -> tuple[ScheduleView, bool]:
    body = Wanted[ScheduleProperties](properties=wanted)
    return await stage.schedules.put("nightly", body, "me", when)


async def runs(stage: BatchStage) -> list[ScheduleRun]:
    state = (await stage.schedules.get("nightly")).state
    assert state is not None
    return list(state.runs)


async def jobs(stage: BatchStage) -> list[JobView]:
    return (await stage.jobs.list(1000, None, JobChoice()))[0]


async def pass_(stage: BatchStage, seconds: float) -> None:
    """Messages and sweeps, until so much time has passed and nothing is under way."""
    until = stage.clock.time + seconds
    await stage.pump(until=lambda: stage.clock.time >= until)


async def ready(stage: BatchStage) -> None:
    await stage.deploy()
    await stage.upload({"a.txt": "x\n"})
    start = datetime(2026, 1, 3, tzinfo=UTC).timestamp()
    stage.clock.time = start - 30


async def test_a_sweep_that_comes_once_a_minute_makes_none_late(tmp_path: Path) -> None:
    """As in Azure, where each look is paid for."""
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties())
        for _ in range(0, 1260, 5):
            stage.clock.move(5)
            if stage.clock.time % 60 == 20:
                await stage.host.run("sweep")
            await stage.host.turn([SCHEDULES_QUEUE])
        begun = [v.job.created_at.timestamp() for v in await jobs(stage)]
        assert len(begun) == 3
        assert all(at % 600 <= 5 for at in begun)


async def test_each_due_time_starts_one_job_by_its_name(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        _, new = await put(stage, properties())
        assert new
        await pass_(stage, 1900)
        names = sorted(v.job.name for v in await jobs(stage))
        assert names == [f"nightly-20260103T00{m}000Z" for m in range(4)]
        for view_ in await jobs(stage):
            assert view_.job.status is JobStatus.COMPLETED
            due = view_.job.properties["ml_endpoints.trigger_time"]
            assert view_.job.output.path == f"out/{due}.csv"
            late = view_.job.created_at - datetime.fromisoformat(due)
            assert timedelta(0) <= late < timedelta(seconds=6)
        found = await runs(stage)
        assert [r.status for r in found] == [RunStatus.STARTED] * 4
        assert found[0].job_name == names[-1]


async def test_start_and_end_bound_it_both_included(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        trigger = {
            "startTime": "2026-01-03T02:00:00",
            "endTime": "2026-01-03T02:20:00",
            "timeZone": "W. Europe Standard Time",
        }
        await put(stage, properties(trigger=trigger))
        await pass_(stage, 3 * 3600)
        names = sorted(v.job.name for v in await jobs(stage))
        assert names == [f"nightly-20260103T01{m}000Z" for m in range(3)]
        state = (await stage.schedules.get("nightly")).state
        assert state is not None
        assert state.next_at is None


async def test_nothing_is_sent_or_looked_at_for_a_time_far_off(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties("0 12 * * *"))
        counts = await stage.queue.counts("schedules")
        assert (counts.active, counts.waiting) == (0, 0)
        assert not await stage.store.due(stage.clock.time + 40_000)


async def test_times_missed_are_met_once_by_the_newest(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties())
        stage.clock.time += 5 * 3600 + 5 * 60
        await pass_(stage, 60)
        [job] = await jobs(stage)
        assert job.job.name == "nightly-20260103T050000Z"
        state = (await stage.schedules.get("nightly")).state
        assert state is not None
        assert state.next_at == datetime(2026, 1, 3, 5, 10, tzinfo=UTC)


async def test_a_time_missed_for_too_long_is_noted_and_let_go(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties("0 0 * * *"))
        stage.clock.time += 2 * 3600
        await pass_(stage, 60)
        assert await jobs(stage) == []
        [run] = await runs(stage)
        assert run.status is RunStatus.MISSED
        assert run.trigger_time == datetime(2026, 1, 3, tzinfo=UTC)
        assert run.error is not None
        assert "1:00:00 ago" in run.error


async def test_a_refused_job_is_noted_and_the_next_time_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties(definition={"deploymentName": "green"}))
        await pass_(stage, 700)
        found = await runs(stage)
        assert [r.status for r in found] == [RunStatus.FAILED] * 2
        assert "green" in str(found[0].error)
        assert "started no job for 20260103T000000Z" in caplog.text
        await put(stage, properties())
        await pass_(stage, 700)
        assert (await runs(stage))[0].status is RunStatus.STARTED


async def test_runs_kept_are_bounded(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties(definition={"deploymentName": "green"}))
        await pass_(stage, 25 * 600)
        assert len(await runs(stage)) == 20


async def test_a_disabled_schedule_does_nothing_until_it_is_enabled(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties(isEnabled=False))
        await stage.pump()
        assert not await stage.store.due(1e12)
        stage.clock.time += 3600
        await put(stage, properties())
        await pass_(stage, 60)
        assert [v.job.name for v in await jobs(stage)] == ["nightly-20260103T010000Z"]


async def test_a_change_of_tags_keeps_what_is_due(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties())
        stage.clock.time += 45
        await put(stage, properties(tags={"a": "b"}))
        await pass_(stage, 20)
        assert [v.job.name for v in await jobs(stage)] == ["nightly-20260103T000000Z"]


async def test_etags_are_for_those_who_change_it(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        first, _ = await put(stage, properties())
        await pass_(stage, 700)
        again = await stage.schedules.get("NIGHTLY")
        assert again.etag == first.etag
        await put(stage, properties("0 0 * * *"), Conditions(if_match=first.etag))
        with pytest.raises(PreconditionFailed):
            await put(stage, properties(), Conditions(if_match=first.etag))
        assert await stage.schedules.delete("nightly", ANY)
        assert not await stage.schedules.delete("nightly", ANY)
        with pytest.raises(NotFound):
            await stage.schedules.get("nightly")
        assert not await stage.store.due(1e12)
        await stage.pump()


async def test_a_job_waits_for_a_deployment_that_is_being_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with BatchStage(tmp_path) as stage:
        await ready(stage)
        await put(stage, properties())
        whole, busy_until = stage.invocation.deployment, stage.clock.time + 100

        async def deployment(endpoint: str, named: str | None) -> Any:
            if stage.clock.time < busy_until:
                raise Conflict("It is Updating.", code="DeploymentNotReady")
            return await whole(endpoint, named)

        monkeypatch.setattr(stage.invocation, "deployment", deployment)
        await pass_(stage, 250)
        [run] = await runs(stage)
        assert run.status is RunStatus.STARTED
        assert run.at - run.trigger_time < timedelta(seconds=180)


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_due_time_has_one_job_whatever_happens(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    mischief = Mischief(rng, crash=0.02, double=0.4, delay=0.2, lose=0.15 * (seed % 2))
    async with BatchStage(tmp_path, mischief=mischief) as stage:
        await ready(stage)
        mischief.crashes_left = 8
        while True:
            try:
                await put(stage, properties())
                break
            except Crash:
                await stage.crash()
        await pass_(stage, 6 * 600 + 300)
        mischief.crashes_left = 0
        if mischief.dead:
            await stage.crash()
        await put(stage, properties(isEnabled=False))
        await stage.pump()
        names = sorted(v.job.name for v in await jobs(stage))
        assert names == [f"nightly-20260103T0{m // 6}{m % 6}000Z" for m in range(7)]
        found = sorted(str(r.job_name) for r in await runs(stage))
        assert found == names
