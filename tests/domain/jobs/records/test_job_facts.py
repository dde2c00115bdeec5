"""Whatever crashes, each turn of a job stands in the outbox once: with the turn, or not at all."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.events.event_subscription import KIND, PARTITION, EventSubscription
from domain.ground import outbox
from domain.ground.facts import Event
from domain.ground.resource import to_body
from domain.jobs.records import batch_job
from domain.jobs.records.job_status import JobStatus
from domain.ports import Create, Delete, Document
from tests.kit.batch_stage import QUICK, SLOW, BatchStage, Mischief, line_counts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class ToldStage(BatchStage):
    """Takes the events of the outbox up, as the sweep finds them."""

    told: dict[str, Event]

    async def live(self) -> None:
        await super().live()
        self.sweeping._owners = {**self.sweeping._owners, outbox.OUTBOX_KIND: self._take}

    async def _take(self, document: Document) -> None:
        event = outbox.event_of(document)
        self.told[event.id] = event
        await self.store.transact(document.partition, [Delete(document.id, document.etag)])

    async def subscribe(self) -> None:
        asking = EventSubscription.model_validate(
            {
                "name": "jobs",
                "location": "here",
                "uid": "u",
                "sealed_key": "s",
                "properties": {
                    "destination": {
                        "endpoint_type": "WebHook",
                        "properties": {"endpoint_url": "https://receiver.example.test/"},
                    },
                    "filter": {"included_event_types": ["MlEndpoints.Job.*"]},
                },
                **dict.fromkeys(("created_at", "modified_at"), NOW),
                **dict.fromkeys(("created_by", "modified_by"), "me"),
            }
        )
        await self.store.transact(PARTITION, [Create("jobs", to_body(KIND, asking))])


@pytest.mark.parametrize("seed", range(8))
async def test_each_turn_of_a_job_is_told_once_whatever_crashes(seed: int, tmp_path: Path) -> None:
    """In every other run units are quick, and come in bundles."""
    rng = random.Random(seed)
    mischief = Mischief(rng=rng, crash=0.02, double=0.2, delay=0.1, lose=0.1)
    seconds, count, workers = ((SLOW, 6, 2), (QUICK, 20, 1))[seed % 2]
    stage = ToldStage(tmp_path, script=line_counts, mischief=mischief, seconds=seconds)
    stage.told = {}
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
    assert sorted(event.type for event in stage.told.values()) == [
        "MlEndpoints.Job.Completed",
        "MlEndpoints.Job.Created",
        "MlEndpoints.Job.Running",
    ]
    assert stage.crashes
