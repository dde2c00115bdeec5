"""Autoscaled deployments looked at by messages, under a host that is not there all the time."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.ground.driving.driver import Step
from domain.ground.messages import (
    PROVISIONING_QUEUE,
    SCALING_LOOKS_QUEUE,
    SCALING_QUEUE,
    WakeDeployment,
)
from domain.online.online_deployment import ScaleSettings, ScaleType, workload_key
from domain.ports import Instance, Message, ScoringRequest, ScoringResponse
from domain.scaling.scale_watch import ID, PARTITION, watch_of
from tests.kit.composed import composed
from tests.kit.scorers import ScriptedScorer, says
from tests.kit.stages.provisioning_stage import ProvisioningStage, opened

KEY = workload_key("iris", "blue")
QUEUES = (PROVISIONING_QUEUE, SCALING_QUEUE, SCALING_LOOKS_QUEUE)
WAKE = WakeDeployment(endpoint="iris", deployment="blue")


class Functions:
    """A host in Azure, as a test lets time go by. `looks` are when instances were asked."""

    def __init__(self, stage: ProvisioningStage, **settings: Any) -> None:
        self.stage = stage
        self.average, self.idle = 0.0, 0.0
        self.looks: list[float] = []
        services = replace(stage.adapters, scorer=ScriptedScorer(self._load))
        application = composed(services, base_url=stage.base_url, **settings)
        stage.live(replace(application, triggers=replace(application.triggers, by_clock=False)))

    def _load(self, instance: Instance, request: ScoringRequest) -> ScoringResponse:
        self.looks.append(self.stage.clock.time)
        told = {"average": self.average, "max_concurrent": 1, "idle_seconds": self.idle}
        return says(body=json.dumps(told).encode())

    async def put(self, least: int = 1, interval: int = 1) -> None:
        wanted = ScaleSettings(
            scale_type=ScaleType.TARGET_UTILIZATION,
            min_instances=least,
            max_instances=4,
            polling_interval=timedelta(seconds=interval),
        )
        await self.stage.put_deployment(scale_settings=wanted)
        await self.stage.settle()
        self.come_up()

    def come_up(self) -> None:
        """What is wanted runs."""
        workload = self.stage.compute.running[KEY]
        self.stage.compute.up[KEY] = [
            Instance(f"blue-{i}", f"/run/blue/{i}") for i in range(workload.instance_count)
        ]

    async def go_by(self, seconds: int, *, sweeps: bool = True) -> None:
        for _ in range(seconds):
            self.stage.clock.move(1)
            await self.stage.host.pump(QUEUES)
            # Not the others: instances are measured by one of them.
            if sweeps and self.stage.clock.time % 10 == 0:
                await self.stage.host.run("sweep")
        assert not self.stage.host.failures

    @property
    def running(self) -> int:
        count: int = self.stage.compute.running[KEY].instance_count
        return count

    async def is_watched(self) -> bool:
        return watch_of(await self.stage.store.get(PARTITION, ID)).is_running

    async def messages(self) -> int:
        counts = await self.stage.queue.counts(SCALING_LOOKS_QUEUE)
        return counts.active + counts.waiting


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProvisioningStage]:
    async with opened(tmp_path) as stage:
        await stage.iris()
        yield stage


async def test_a_deployment_is_looked_at_as_often_as_it_asks_and_follows_its_load(
    stage: ProvisioningStage,
) -> None:
    host = Functions(stage)
    await host.put(interval=5)
    host.average = 2.0
    await host.go_by(12, sweeps=False)
    assert host.running == 3
    begun = [look % 5 for look in host.looks]
    assert len(host.looks) == 3, "by one chain, and not more often than it asks"
    assert all(late < 1 for late in begun)


async def test_looks_are_no_closer_than_the_installation_pays_for(
    stage: ProvisioningStage,
) -> None:
    host = Functions(stage, scale_look_interval=10)
    await host.put()
    host.looks.clear()
    await host.go_by(60, sweeps=False)
    assert 5 <= len(host.looks) <= 7


async def test_once_nobody_is_awake_there_are_no_messages_until_somebody_is(
    stage: ProvisioningStage,
) -> None:
    host = Functions(stage)
    await host.put(least=0)
    assert await host.is_watched()
    host.idle = 300
    await host.go_by(3)
    assert host.running == 0
    assert not await host.is_watched()
    assert await host.messages() == 0
    looks = len(host.looks)
    await host.go_by(120)
    assert len(host.looks) == looks

    host.idle = 0
    await stage.queue.send(SCALING_QUEUE, Message(WAKE.to_document()))
    await host.go_by(1, sweeps=False)
    host.come_up()
    await host.go_by(2, sweeps=False)
    assert await host.is_watched()
    assert len(host.looks) > looks


async def test_a_deployment_that_does_not_scale_has_no_looks(stage: ProvisioningStage) -> None:
    host = Functions(stage)
    await stage.put_deployment()
    await stage.settle()
    host.come_up()
    await host.go_by(130)
    assert host.looks == []
    assert await host.messages() == 0


async def test_the_sweep_goes_on_with_looks_whose_message_was_lost(
    stage: ProvisioningStage,
) -> None:
    host = Functions(stage)
    await host.put()
    for message in await stage.host.receive([SCALING_LOOKS_QUEUE]):
        await stage.queue.complete(message.lock_token)
    assert await host.messages() == 0
    await host.go_by(120)
    assert host.looks
    assert await host.messages() == 1


async def test_the_sweep_begins_looks_that_nobody_has_begun(stage: ProvisioningStage) -> None:
    """As for what was deployed by an earlier version, or whose host ended after it."""
    await Functions(stage).put()
    document = await stage.store.get(PARTITION, ID)
    ended = watch_of(document).but(is_running=False)
    host = Functions(stage)
    await stage.application.scale_watching.save(document, Step(ended, None), None)
    await host.go_by(15)
    assert await host.is_watched()
    assert host.looks


async def test_whoever_begins_at_once_begins_one_chain(stage: ProvisioningStage) -> None:
    host = Functions(stage)
    await host.put(interval=10)
    for _ in range(5):
        await stage.application.scale_watching.begin()
        await stage.queue.send(SCALING_QUEUE, Message(WAKE.to_document()))
    host.looks.clear()
    await host.go_by(30)
    assert len(host.looks) == 3
    assert await host.messages() == 1
