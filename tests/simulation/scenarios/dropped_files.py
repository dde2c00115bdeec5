"""Files dropped into the inbox, some of them twice, told of late and more than once: each is in
exactly one job."""

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

from domain.assets.datastore import INBOX
from domain.drops import blob_drop
from domain.jobs.records.job_times import JobTimes
from tests.kit.script_workers import line_counts
from tests.simulation.compute import Manner
from tests.simulation.ground import ENDPOINT
from tests.simulation.invariants import Broken
from tests.simulation.world import World

_LONG = 7200.0


class DroppedFiles:
    def __init__(self, rng: random.Random) -> None:
        self.manner = Manner(line_counts, quick=rng.random() < 0.5)
        self.times = replace(JobTimes(), bundle_parts=1)
        most = rng.choice((2, 3, 1000))
        self.settings: dict[str, Any] = {"drop_max_files": most}
        self._files = rng.randrange(1, 7)
        self._again = rng.random() < 0.3
        self._marks = rng.random() < 0.3
        self._last: dict[str, str] = {}
        """By name, the last content."""

    async def play(self, world: World) -> None:
        rng = world.rng
        names = [f"{ENDPOINT}/{number}.txt" for number in range(self._files)]
        if self._again:
            names += rng.sample(names, 1)
        telling = []
        for number, name in enumerate(names):
            self._last[name] = f"{name} {number}"
            blob = await world.blobs.write(INBOX, name, self._last[name].encode())
            telling.append(world.loop.create_task(world.tell(INBOX, blob)))
            await world.rest(rng.choice((0.0, 0.1, 1.0, 3.0)))
        if self._marks:
            marker = await world.blobs.write(INBOX, f"{ENDPOINT}/_SUCCESS", b"")
            telling.append(world.loop.create_task(world.tell(INBOX, marker)))
        for task in telling:
            await task
        await world.until("all drops are over", lambda: self._is_over(world), _LONG)
        self._look(world)

    def _is_over(self, world: World) -> bool:
        where = blob_drop.partition(ENDPOINT)
        bodies = [json.loads(row.body) for row in world.store.rows(where)]
        untaken = any(body.get("taken") is False for body in bodies)
        idle = any(b["kind"] == blob_drop.KIND and b["drop"]["state"] == "Idle" for b in bodies)
        return idle and not untaken and world.is_idle

    def _look(self, world: World) -> None:
        jobs = [json.loads(row.body)["job"] for row in world.store.rows() if row.id == "job"]
        world.schedule.add(len(jobs), "jobs:", [job["status"] for job in jobs])
        lines: Counter[str] = Counter()
        failed: set[str] = set()
        for job in jobs:
            if job["status"] != "Completed" and not self._again:
                raise Broken(f"the job of a drop is {job['status']}: {job['error']}")
            output = job["output"]
            place = f"{output['folder']}/{output['file_name']}"
            content = world.blobs.content(output["container"], place) or b""
            lines.update(line.split(",")[2] for line in content.decode().splitlines()[1:])
            manifest = f"{output['folder']}/failed_files.jsonl"
            text = world.blobs.content(output["container"], manifest) or b""
            failed |= {json.loads(line)["file"] for line in text.splitlines()}
        if failed and not self._again:
            raise Broken(f"{failed} could not be read")
        # One that was replaced under way fails its mini-batch.
        wanted = {text for name, text in self._last.items() if name.split("/")[1] not in failed}
        if missing := wanted - set(lines):
            raise Broken(f"dropped and never scored: {missing}")
        if twice := {line for line in lines if lines[line] > 1}:
            raise Broken(f"dropped once and scored twice: {twice}")
