"""Events of batch jobs go to a webhook that fails now and then: each arrives, or is dead there."""

import json
import random
from dataclasses import replace
from typing import Any

from domain.application import Application
from domain.events import delivery
from domain.events.event_subscription import EventSubscriptionProperties
from domain.ground.access import trusted
from domain.ground.outbox import OUTBOX_KIND
from domain.ground.resource import Conditions, Wanted
from domain.jobs.records.job_times import JobTimes
from tests.kit.receiver import HOOK
from tests.kit.script_workers import line_counts
from tests.kit.stages.batch_stage import over
from tests.simulation.compute import Manner
from tests.simulation.ground import ENDPOINT, STORE
from tests.simulation.invariants import Broken
from tests.simulation.world import World

_LONG = 7200.0
_NAME = "sub"


class EventDelivery:
    settings: dict[str, Any] = {}

    def __init__(self, rng: random.Random) -> None:
        self.manner = Manner(line_counts, quick=True)
        self.times = replace(JobTimes(), bundle_parts=1)
        self._fails = rng.choice((0.0, 0.3, 0.8))
        self._attempts = rng.choice((2, 30))
        self._cancels = rng.random() < 0.3
        self._told: dict[str, str] = {}
        """Events that were saved, by id."""

    async def play(self, world: World) -> None:
        world.receiver.fails = self._fails
        world.watch(self._watch)
        await world.blobs.write(STORE, "data/a.txt", b"1\n")
        await world.ask("a subscription", self._subscribe)
        await world.until("it is active", lambda: self._is_active(world), _LONG)
        for job in ("first", "second"):
            asked = over("data", name=job)

            async def invoke(app: Application, asked: Any = asked) -> object:
                return await app.jobs.invocation.invoke(
                    ENDPOINT, asked, caller=trusted("me"), key=asked.name
                )

            await world.ask(f"invoke {job}", invoke)
        await world.until("all is over", lambda: world.is_idle, 4 * _LONG)
        self._look(world)

    async def _subscribe(self, app: Application) -> None:
        properties = EventSubscriptionProperties.model_validate(
            {
                "destination": {
                    "endpoint_type": "WebHook",
                    "properties": {"endpoint_url": HOOK},
                },
                "retry_policy": {"max_delivery_attempts": self._attempts},
            }
        )
        wanted = Wanted[EventSubscriptionProperties](properties=properties)
        await app.events.subscriptions.put(_NAME, wanted, "me", Conditions())

    def _is_active(self, world: World) -> bool:
        rows = world.store.rows("eventSubscriptions")
        return any(json.loads(row.body)["resource"]["state"] == "Active" for row in rows)

    def _watch(self, world: World, partition: str) -> None:
        for row in world.store.rows(partition):
            if row.kind == OUTBOX_KIND:
                event = json.loads(row.body)["event"]
                self._told[event["id"]] = event["type"]

    def _look(self, world: World) -> None:
        dead = {
            json.loads(r.body)["event"] for r in world.store.rows() if r.kind == delivery.DEAD_KIND
        }
        world.schedule.add(len(self._told), "events,", len(dead), "dead")
        for id, type in self._told.items():
            if id not in world.receiver.taken and id not in dead:
                raise Broken(f"{type} was saved, never arrived, and is no dead letter")
        jobs = [row for row in world.store.rows() if row.id == "job"]
        types = sorted(type.rpartition(".")[2] for type in self._told.values())
        wanted = sorted(["Created", "Running", "Completed"] * len(jobs))
        if types != wanted:
            raise Broken(f"of {len(jobs)} jobs these events were saved: {types}")
