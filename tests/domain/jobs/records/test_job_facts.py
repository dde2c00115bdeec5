"""Whatever crashes, each turn of a job stands in the outbox once: with the turn, or not at all."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.events.event_subscription import EventSubscriptionProperties
from domain.ground import outbox
from domain.ground.messages import EVENTS_QUEUE
from domain.ground.resource import Conditions, Wanted
from domain.jobs.records import batch_job
from domain.jobs.records.job_status import JobStatus
from infra.composition.adapters import Adapters
from tests.kit.mischief import Mischief
from tests.kit.receiver import HOOK, Receiver
from tests.kit.script_workers import QUICK, SLOW, line_counts
from tests.kit.stages.batch_stage import BatchStage


class ToldStage(BatchStage):
    """With a webhook that is told of jobs."""

    queues = (*BatchStage.queues, EVENTS_QUEUE)

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.receiver = Receiver(self.clock)

    def adapters(self) -> Adapters:
        return replace(super().adapters(), webhooks=self.receiver)

    async def subscribe(self) -> None:
        asked = EventSubscriptionProperties.model_validate(
            {
                "destination": {
                    "endpoint_type": "WebHook",
                    "properties": {"endpoint_url": HOOK},
                },
                "filter": {"included_event_types": ["MlEndpoints.Job.*"]},
            }
        )
        wanted = Wanted[EventSubscriptionProperties](properties=asked)
        subscriptions = self.application.events.subscriptions
        await subscriptions.put("jobs", wanted, "me", Conditions())
        await self.pump()
        assert (await subscriptions.resources.get("jobs")).resource.state.value == "Active"


@pytest.mark.parametrize("seed", range(8))
async def test_each_turn_of_a_job_is_told_once_whatever_crashes(seed: int, tmp_path: Path) -> None:
    """In every other run units are quick, and come in bundles."""
    rng = random.Random(seed)
    mischief = Mischief(rng=rng, crash=0.02, double=0.2, delay=0.1, lose=0.1)
    seconds, count, workers = ((SLOW, 6, 2), (QUICK, 20, 1))[seed % 2]
    stage = ToldStage(tmp_path, script=line_counts, mischief=mischief, seconds=seconds)
    async with stage:
        await stage.subscribe()
        await stage.deploy(mini_batch_size=1, max_concurrency_per_instance=workers)
        await stage.upload({f"part-{i:02}.txt": f"{i}\n" for i in range(count)})
        name = await stage.invoke(name="job")
        mischief.crashes_left = 5
        await stage.pump()
        mischief.crashes_left = 0
        assert (await stage.view(name)).job.status is JobStatus.COMPLETED
        left = await stage.store.query(
            outbox.OUTBOX_KIND, partition=batch_job.partition(name), page_size=10
        )
        assert not left.documents
    told = {post.event["id"]: post.event["type"] for post in stage.receiver.posts}
    assert sorted(told.values()) == [
        "MlEndpoints.Job.Completed",
        "MlEndpoints.Job.Created",
        "MlEndpoints.Job.Running",
    ]
    assert stage.crashes
