"""A schedule that fires every few seconds for some minutes: one job for each due time."""

import json
import random
from dataclasses import replace
from typing import Any

from domain.ground.resource import Conditions, Wanted
from domain.jobs.records.job_times import JobTimes
from domain.schedules import schedule
from domain.schedules.schedule import ScheduleProperties
from tests.kit.script_workers import line_counts
from tests.simulation.compute import Manner
from tests.simulation.ground import ENDPOINT, STORE
from tests.simulation.invariants import Broken
from tests.simulation.world import World

_LONG = 7200.0
_NAME = "nightly"


class FiringSchedule:
    settings: dict[str, Any] = {}

    def __init__(self, rng: random.Random) -> None:
        self.manner = Manner(line_counts, quick=True)
        self.times = replace(JobTimes(), bundle_parts=1)
        self._every = rng.choice((15, 20, 30))
        self._lasts = rng.choice((40.0, 70.0, 120.0))
        self._changes = rng.random() < 0.3

    async def play(self, world: World) -> None:
        await world.blobs.write(STORE, "data/a.txt", b"1\n")
        await self._put(world, enabled=True)
        await world.rest(self._lasts / 2)
        if self._changes:
            self._every = 15
            await self._put(world, enabled=True)
        await world.rest(self._lasts / 2)
        await self._put(world, enabled=False)
        await world.until("nothing is left to do", lambda: world.is_idle, _LONG)
        self._look(world)

    async def _put(self, world: World, *, enabled: bool) -> None:
        paths = f"azureml://datastores/{STORE}/paths"
        definition = {
            "endpointName": ENDPOINT,
            "properties": {
                "inputData": {"files": {"jobInputType": "UriFolder", "uri": f"{paths}/data"}}
            },
        }
        properties = ScheduleProperties.model_validate(
            {
                "trigger": {"triggerType": "Cron", "expression": f"*/{self._every} * * * * *"},
                "action": {
                    "actionType": "InvokeBatchEndpoint",
                    "endpointInvocationDefinition": definition,
                },
                "isEnabled": enabled,
            }
        )
        wanted = Wanted[ScheduleProperties](properties=properties)
        await world.ask(
            f"a schedule every {self._every} s, enabled: {enabled}",
            lambda app: app.schedules.collection.put(_NAME, wanted, "me", Conditions()),
        )

    def _look(self, world: World) -> None:
        rows = list(world.store.rows(schedule.PARTITION))
        [state] = [json.loads(row.body)["state"] for row in rows if row.kind == schedule.STATE_KIND]
        jobs = {
            json.loads(row.body)["job"]["name"] for row in world.store.rows() if row.id == "job"
        }
        runs = state["runs"]
        world.schedule.add(len(runs), "runs,", len(jobs), "jobs")
        times = [run["trigger_time"] for run in runs]
        if len(times) != len(set(times)):
            raise Broken(f"a due time was met twice: {times}")
        started = {run["job_name"] for run in runs if run["status"] == "Started"}
        if len(runs) == schedule.MOST_RUNS:
            jobs = {job for job in jobs if job >= min(started, default="")}
        if started != jobs:
            raise Broken(f"the runs tell of {sorted(started)}, and the jobs are {sorted(jobs)}")
        if failed := [run for run in runs if run["status"] == "Failed"]:
            raise Broken(f"runs failed: {failed}")
        if not runs and self._lasts > 60 and world.is_untroubled:
            raise Broken("it never came due")
