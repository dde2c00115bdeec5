"""Autoscaled deployments from their PUT to sleep and back, on a compute that is told."""

import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Invalid
from domain.ground.messages import WakeDeployment
from domain.online.deployment_scale import from_document
from domain.online.deployment_scales import DeploymentScales
from domain.online.online_deployment import OnlineDeployment, ScaleSettings, ScaleType, workload_key
from domain.ports import Instance, ScoringRequest, ScoringResponse, ServingWorkload, WorkloadState
from domain.scaling.scaling import TICK, Scaling
from tests.kit.scorers import ScriptedScorer, says
from tests.kit.stages.provisioning_stage import ANY, CALLER, ProvisioningStage, opened

KEY = workload_key("iris", "blue")
IDLE = timedelta(minutes=5)
WAKE = WakeDeployment(endpoint="iris", deployment="blue")


class Floor:
    """A stage whose instances say what a test has them say."""

    def __init__(self, stage: ProvisioningStage) -> None:
        self.stage = stage
        self.average = 0.0
        self.idle = 0.0
        self.scorer = ScriptedScorer(self._load)
        self.scaling = Scaling(
            stage.compute,
            self.scorer,
            stage.clock,
            stage.online.following,
            stage.online.scales,
            idle_time=IDLE,
        )

    def _load(self, instance: Instance, request: ScoringRequest) -> ScoringResponse:
        assert request.path == "/load"
        told = {"average": self.average, "max_concurrent": 1, "idle_seconds": self.idle}
        return says(body=json.dumps(told).encode())

    async def put(
        self, least: int = 1, most: int = 4, capacity: int | None = None, **more: Any
    ) -> None:
        wanted = ScaleSettings(
            scale_type=ScaleType.TARGET_UTILIZATION, min_instances=least, max_instances=most
        )
        await self.stage.put_deployment(scale_settings=wanted, capacity=capacity, **more)
        await self.stage.settle()
        self.come_up()

    def come_up(self) -> None:
        """What is wanted runs."""
        workload = self.stage.compute.running[KEY]
        self.stage.compute.up[KEY] = [
            Instance(f"blue-{i}", f"/run/blue/{i}") for i in range(workload.instance_count)
        ]

    async def tick(self, average: float, seconds: float = 1, *, idle: float = 0) -> int:
        self.average, self.idle = average, idle
        self.stage.clock.move(seconds)
        await self.scaling.tick(TICK)
        self.come_up()
        return self.running

    @property
    def running(self) -> int:
        count: int = self.stage.compute.running[KEY].instance_count
        return count

    async def deployment(self) -> OnlineDeployment:
        return (await self.stage.online.deployments.get("iris", "blue")).resource


@pytest.fixture
async def floor(stage: ProvisioningStage) -> Floor:
    await stage.iris()
    return Floor(stage)


async def test_load_brings_instances_and_calm_takes_them_slowly(
    floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    await floor.put()
    assert floor.running == 1
    with caplog.at_level(logging.INFO, "ml_endpoints.scaling"):
        assert await floor.tick(2.0) == 3
    assert "goes from 1 to 3 instances: 200% of what 1 instance take" in caplog.text
    assert [await floor.tick(0.2) for _ in range(20)] == [3] * 20
    assert await floor.tick(0.2) == 1
    shown = (await floor.deployment()).scale
    assert shown is not None
    assert shown.last_decision is not None
    assert (shown.last_decision.before, shown.last_decision.after) == (3, 1)
    assert (await floor.deployment()).provisioning_state.value == "Succeeded"


async def test_scaling_does_not_disturb_who_changes_the_deployment(floor: Floor) -> None:
    await floor.put()
    before = (await floor.stage.online.deployments.get("iris", "blue")).etag
    await floor.tick(2.0)
    assert (await floor.stage.online.deployments.get("iris", "blue")).etag == before


async def test_a_put_that_does_not_speak_of_scale_leaves_the_count(floor: Floor) -> None:
    await floor.put()
    assert await floor.tick(2.0) == 3
    await floor.put(tags={"a": "b"}, capacity=1)
    assert floor.running == 3
    await floor.put(environment_variables={"NEW": "model"})
    assert floor.running == 3
    await floor.put(most=2)
    assert floor.running == 2
    shown = (await floor.deployment()).scale
    assert shown is not None
    assert shown.last_decision is not None
    assert shown.last_decision.reason == "its bounds were changed"


async def test_only_bounds_changed_is_scaling_and_starts_nothing_anew(floor: Floor) -> None:
    await floor.put()
    before = floor.stage.compute.running[KEY].revision
    await floor.stage.put_deployment(
        scale_settings=ScaleSettings(
            scale_type=ScaleType.TARGET_UTILIZATION, min_instances=2, max_instances=5
        )
    )
    assert await floor.stage.deployment_state() == "Scaling"
    await floor.stage.settle()
    assert (floor.running, floor.stage.compute.running[KEY].revision) == (2, before)


async def test_the_count_survives_a_restart_and_restore(floor: Floor, tmp_path: Path) -> None:
    await floor.put()
    assert await floor.tick(2.0) == 3
    async with opened(tmp_path, floor.stage.clock) as again:
        await again.online.restorer.restore()
        await again.settle()
        assert again.compute.running[KEY].instance_count == 3


async def test_what_a_crash_left_between_decision_and_deed_is_done_by_the_next_tick(
    floor: Floor,
) -> None:
    await floor.put()
    assert await floor.tick(2.0) == 3
    floor.average = 0.6
    del floor.stage.compute.running[KEY]
    await floor.scaling.tick(TICK)
    assert floor.running == 3


async def test_sleep_and_wake(floor: Floor) -> None:
    await floor.put(least=0)
    assert await floor.tick(0.0, idle=299) == 1
    assert await floor.tick(0.0, idle=300) == 0
    assert await floor.stage.deployment_state() == "Succeeded"
    asked = len(floor.scorer.asked)
    await floor.scaling.tick(TICK)
    assert len(floor.scorer.asked) == asked
    await floor.stage.put_deployment(
        scale_settings=(await floor.deployment()).properties.scale_settings, tags={"a": "b"}
    )
    await floor.stage.settle()
    assert floor.running == 0
    await floor.scaling.wake(WAKE)
    await floor.scaling.wake(WAKE)
    assert floor.running == 1
    shown = (await floor.deployment()).scale
    assert shown is not None
    assert shown.last_decision is not None
    assert shown.last_decision.reason == "a request came while it slept"


async def test_the_timer_reads_nothing_of_what_sleeps(floor: Floor) -> None:
    await floor.put(least=0)
    scales = DeploymentScales(floor.stage.store)
    [awake], _ = await scales.page(None)
    assert from_document(awake).deployment == "blue"
    assert await floor.tick(0, idle=300) == 0
    assert await scales.page(None) == ([], None)
    await floor.scaling.wake(WAKE)
    [woken], _ = await scales.page(None)
    assert from_document(woken).instances == 1


async def test_a_change_of_what_sleeps_is_tried_on_one_instance(floor: Floor) -> None:
    await floor.put(least=0)
    assert await floor.tick(0.0, idle=300) == 0
    await floor.put(least=0, environment_variables={"NEW": "model"})
    assert floor.running == 1
    assert await floor.tick(0.0, idle=300) == 0


async def test_a_capacity_of_none_sleeps_and_wakes_to_one(floor: Floor) -> None:
    await floor.stage.put_deployment(capacity=0)
    await floor.stage.settle()
    floor.come_up()
    assert floor.running == 1
    assert await floor.tick(9.0) == 1
    assert await floor.tick(0.0, idle=300) == 0
    await floor.scaling.wake(WAKE)
    assert floor.running == 1


async def test_going_back_to_a_fixed_count_ends_the_scaling(floor: Floor) -> None:
    await floor.put()
    await floor.tick(2.0)
    await floor.stage.put_deployment(capacity=2)
    await floor.stage.settle()
    assert floor.running == 2
    floor.come_up()
    assert await floor.tick(2.0) == 2
    assert (await floor.deployment()).scale is None


async def test_a_deployment_made_anew_under_the_name_begins_anew(floor: Floor) -> None:
    await floor.put()
    await floor.tick(2.0)
    await floor.stage.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)
    await floor.stage.settle()
    await floor.scaling.wake(WAKE)
    assert KEY not in floor.stage.compute.running
    await floor.put()
    assert floor.running == 1


async def test_without_room_for_more_it_stays_as_it_is_and_says_so(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.put()
    compute = floor.stage.compute

    def told_by_count(instances: Sequence[object] = ()) -> None:
        full = compute.running[KEY].instance_count > 1
        compute.told[KEY] = WorkloadState.FAILED if full else WorkloadState.READY

    ensure = compute.ensure

    async def ensure_within_quota(workload: ServingWorkload) -> object:
        compute.running[KEY] = workload
        told_by_count()
        return await ensure(workload)

    monkeypatch.setattr(compute, "ensure", ensure_within_quota)
    compute.code, compute.reason = "OutOfQuota", "This machine is full."
    assert await floor.tick(2.0) == 1
    shown = (await floor.deployment()).scale
    assert shown is not None
    assert shown.last_decision is not None
    assert "no room for more: This machine is full." in shown.last_decision.reason
    assert await floor.stage.deployment_state() == "Succeeded"


async def test_autoscaling_ends_where_there_is_room_for_no_more_and_says_so_once(
    floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    await floor.put()
    floor.stage.compute.most = 2
    with caplog.at_level(logging.INFO, "ml_endpoints.scaling"):
        assert [await floor.tick(4.0) for _ in range(5)] == [2] * 5
    shown = (await floor.deployment()).scale
    assert shown is not None
    assert shown.last_decision is not None
    assert shown.last_decision.reason == "there is no room for more: There is room for 2."
    told = [getattr(record, "action", None) for record in caplog.records]
    assert told == ["deployment_scaled", "deployment_scale_bounded"][: len(told)]
    assert len(told) <= 2
    floor.stage.compute.most = 4
    assert await floor.tick(4.0) == 4


async def test_a_failed_deployment_is_left_alone(floor: Floor) -> None:
    await floor.put()
    floor.stage.compute.state = WorkloadState.FAILED
    await floor.stage.online.restorer.restore()
    await floor.stage.settle()
    assert await floor.stage.deployment_state() == "Failed"
    ensured = len(floor.stage.compute.ensured)
    await floor.tick(2.0)
    assert len(floor.stage.compute.ensured) == ensured


async def test_an_instance_that_does_not_answer_says_nothing_of_the_load(floor: Floor) -> None:
    await floor.put()
    floor.scorer.script = lambda instance, request: TimeoutError()
    assert await floor.tick(2.0) == 1
    floor.scorer.script = lambda instance, request: says(body=b"[]")
    assert await floor.tick(2.0) == 1


@pytest.mark.parametrize(
    "told",
    [
        '{"average": NaN, "max_concurrent": 1, "idle_seconds": 0}',
        '{"average": -3, "max_concurrent": 1, "idle_seconds": 0}',
        '{"average": 1e999, "max_concurrent": 1, "idle_seconds": 0}',
        '{"average": 1, "max_concurrent": 0, "idle_seconds": 0}',
        '{"average": 1, "max_concurrent": 1, "idle_seconds": 1e99}',
        '{"average": "busy", "max_concurrent": 1}',
        "[]",
        "nonsense",
    ],
)
async def test_an_instance_that_lies_about_its_load_is_not_believed(
    floor: Floor, caplog: pytest.LogCaptureFixture, told: str
) -> None:
    await floor.put()
    floor.scorer.script = lambda instance, request: says(body=told.encode())
    assert await floor.tick(9.0) == 1
    assert "Instance blue-0 says nonsense of its load" in caplog.text


async def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="minInstances is more than maxInstances"):
        ScaleSettings(min_instances=3, max_instances=2)


async def test_workers_that_are_no_number_are_refused(floor: Floor) -> None:
    with pytest.raises(Invalid):
        await floor.put(environment_variables={"WORKER_COUNT": "0"})


async def test_there_are_no_more_workers_than_requests_at_once(floor: Floor) -> None:
    await floor.put(environment_variables={"WORKER_COUNT": "4"})
    assert floor.stage.compute.running[KEY].workers == 1
