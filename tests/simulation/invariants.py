"""What holds at every step, whatever happens: looked at with each write to a partition."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from domain.drops import blob_drop
from domain.ground.messages import BATCH_JOBS_QUEUE
from domain.jobs.records import batch_job, batch_unit
from domain.jobs.records.job_status import TRANSITIONS, JobStatus
from domain.jobs.records.job_times import JobTimes
from infra.rules.queue_consumer import Received
from tests.simulation.stores.memory_resource_store import Row

if TYPE_CHECKING:
    from tests.simulation.world import World

_STALLED = 400.0
"""Seconds within which a process that goes on has moved, and a message that was left has come."""
_LONGEST_LEASE = JobTimes().plan_lease
_SETTLED = ("Succeeded", "Failed", "Canceled")
_PROVISIONED = ("onlineEndpoint", "onlineDeployment", "batchEndpoint", "batchDeployment")
_UNSCORED = 150.0
"""Seconds, shorter than the lease of a claim: whoever was at it comes again sooner."""
STALE: ContextVar[bool] = ContextVar("stale", default=False)
"""Whether what goes on was set going by a message that was stale."""

Body = Mapping[str, Any]


class Broken(Exception):
    """Something does not hold that must."""


class Invariants:
    """Those of `partition` are checked when it has changed."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._bodies: dict[str, Body] = {}
        self._before: dict[tuple[str, str], Row] = {}
        self._moved_at: dict[str, float] = {}
        """By job that is not over, when its document was last written."""
        self._scored_at: dict[str, float] = {}
        """By job that runs, when its progress or a unit of it was last written."""
        self._units: dict[str, frozenset[str]] = {}
        self._checks: list[tuple[str, Callable[[str], None]]] = [
            ("jobs/", self._job),
            ("onlineEndpoints/", self._endpoint),
            ("batchEndpoints/", self._endpoint),
            ("drops/", self._drop),
        ]

    def changed(self, partition: str) -> None:
        for prefix, check in self._checks:
            if partition.startswith(prefix):
                try:
                    check(partition)
                except Broken as broken:
                    self._world.find(broken)

    def is_stale(self, message: Received) -> bool:
        """Whether the message is for a step of a job that was taken when it came: it, and what it
        leads to, may change nothing of the job. (One that comes again may have to tell.)"""
        if message.queue != BATCH_JOBS_QUEUE or message.delivery_count > 1:
            return False
        asked = json.loads(message.body)
        rows = self._world.store.rows(batch_job.partition(asked["job"]))
        for row in rows:
            if row.id == batch_job.DOCUMENT_ID and asked["chain"] is not None:
                job = self.body(row)["job"]
                return bool((asked["chain"], asked["tick"]) < (job["chain"], job["tick"]))
        return False

    def look_round(self) -> None:
        """What should have moved by now."""
        now = self._world.loop.time()
        # What cannot be sent again, either, is put aside in the end, and waits for its lease.
        is_excused = self._world.queue.dead and self._world.queue_was_out
        # Nor does a job whose message ended the host at each delivery: it falls due with its lease.
        limit = _STALLED + (_LONGEST_LEASE if self._world.queue.dead else 0)
        for job, at in () if is_excused else self._moved_at.items():
            if now - max(at, self._world.troubled_at) > limit:
                raise Broken(f"{job} has stood still for {now - at:.0f} s, and nothing was wrong")
        if self._world.queue.dead:
            return  # A unit whose message went there waits for its lease.
        for job, at in self._scored_at.items():
            if now - max(at, self._world.troubled_at) > _UNSCORED:
                raise Broken(f"{job} has scored nothing for {now - at:.0f} s for no reason")

    def body(self, row: Row) -> Body:
        """Understood once for each ETag: most of a partition stays as it is."""
        found = self._bodies.get(row.etag)
        if found is None:
            found = self._bodies[row.etag] = json.loads(row.body)
        return found

    # -- endpoints, drops ---------------------------------------------------------------

    def _endpoint(self, partition: str) -> None:
        rows = [row for row in self._world.store.rows(partition) if row.kind in _PROVISIONED]
        found = {row.id: self.body(row)["resource"] for row in rows}
        # Deployments go with their endpoint, which falls due for all of them.
        goes = any(r.id == "endpoint" and r.due_at is not None for r in rows)
        goes = goes and found["endpoint"]["provisioning_state"] == "Deleting"
        for row in rows:
            state = found[row.id]["provisioning_state"]
            if state not in _SETTLED and row.due_at is None and not (goes and state == "Deleting"):
                raise Broken(f"{partition} {row.id} is {state} and never falls due")
        traffic = found.get("endpoint", {}).get("properties", {}).get("traffic") or {}
        if sum(traffic.values()) not in (0, 100):
            raise Broken(f"the traffic of {partition} sums to {sum(traffic.values())}")
        deployments = {each["name"] for each in found.values()}
        for name, percent in traffic.items():
            is_going = found["endpoint"]["provisioning_state"] == "Deleting"
            if percent and name not in deployments and not is_going:
                raise Broken(f"{partition} gives traffic to {name}, which is not there")

    def _drop(self, partition: str) -> None:
        for row in self._world.store.rows(partition):
            if row.kind == blob_drop.KIND:
                drop = self.body(row)["drop"]
                if drop["state"] != "Idle" and row.due_at is None:
                    raise Broken(f"the drop of {partition} is {drop['state']}, never falls due")

    # -- a batch job --------------------------------------------------------------------

    def _job(self, partition: str) -> None:
        rows = {row.id: row for row in self._world.store.rows(partition)}
        job_row = rows.get(batch_job.DOCUMENT_ID)
        if job_row is None:
            return
        job = self.body(job_row)["job"]
        self._moves(partition, job_row, job)
        has_ended = JobStatus(job["status"]).is_terminal
        is_over = has_ended and job["released"] and not job["deleting"]
        if is_over:
            self._moved_at.pop(partition, None)
        elif job_row.due_at is None:
            raise Broken(f"job {job['name']} is {job['status']} and never falls due")
        self._scores(partition, job["status"], rows)
        units = [self.body(row)["unit"] for row in rows.values() if row.kind == batch_unit.KIND]
        for unit in units:
            self._record(partition, job, unit)
        progress_row = rows.get(batch_job.PROGRESS_ID)
        if progress_row is not None and not job["deleting"]:
            progress = self.body(progress_row)["progress"]
            self._progress(job["name"], progress, units)
            if has_ended and not progress["closed"]:
                raise Broken(f"job {job['name']} has ended, and still takes records")

    def _scores(self, partition: str, status: str, rows: Mapping[str, Row]) -> None:
        if status != JobStatus.RUNNING:
            self._scored_at.pop(partition, None)
            return
        etags = frozenset(row.etag for row in rows.values() if row.id != batch_job.DOCUMENT_ID)
        if self._units.get(partition) != etags:
            self._units[partition] = etags
            self._scored_at[partition] = self._world.loop.time()

    def _moves(self, partition: str, row: Row, job: Body) -> None:
        before_row = self._before.get((partition, row.id))
        self._before[partition, row.id] = row
        if before_row is not None and before_row.etag == row.etag:
            return
        self._moved_at[partition] = self._world.loop.time()
        if before_row is None:
            return
        before = self.body(before_row)["job"]
        old, new = JobStatus(before["status"]), JobStatus(job["status"])
        if old is not new and new not in TRANSITIONS[old]:
            raise Broken(f"job {job['name']} went from {old} to {new}")
        if (job["chain"], job["tick"]) < (before["chain"], before["tick"]):
            raise Broken(f"job {job['name']} went back to chain {job['chain']}")
        if STALE.get():
            raise Broken(f"job {job['name']} was taken further by a message that was stale")

    def _record(self, partition: str, job: Body, unit: Body) -> None:
        record, key = unit["record"], (partition, f"record:{unit['ordinal']}")
        known: Any = self._before.get(key)
        if record is None:
            if known is not None:
                raise Broken(f"the record of unit {unit['ordinal']} is gone")
            return
        if known is not None:
            if known != record:
                raise Broken(f"the record of unit {unit['ordinal']} was changed")
            return
        self._before[key] = record
        block = record["block"]
        if block is None:
            return
        output = job["output"]
        path = f"{output['folder']}/{output['file_name']}"
        if job["settings"]["output_format"] == "Parquet":
            path = f"{path}/part-{unit['ordinal']:08d}.parquet"
        content = self._world.blobs.block(output["container"], path, block["id"])
        if content is None or hashlib.sha256(content).hexdigest() != block["digest"]:
            raise Broken(f"unit {unit['ordinal']} is recorded, and its block is not there")

    def _progress(self, name: str, progress: Body, units: list[Any]) -> None:
        recorded = [unit for unit in units if unit["record"] is not None]
        if progress["recorded"] != len(recorded):
            raise Broken(
                f"job {name} counts {progress['recorded']} records and has {len(recorded)}"
            )
        for figure, told in progress["tally"].items():
            there = sum(unit["record"]["tally"].get(figure, 0) for unit in recorded)
            if told != there:
                raise Broken(f"job {name} counts {told} {figure}, its records {there}")
        in_flight = {int(ordinal) for ordinal in progress["in_flight"]}
        if in_flight & {unit["ordinal"] for unit in recorded}:
            raise Broken(f"job {name} has recorded units in flight")
        if progress["closed"]:
            return
        held = set(progress.get("held", ()))
        if held & in_flight or held & {unit["ordinal"] for unit in recorded}:
            raise Broken(f"job {name} holds units that are not to wait: {sorted(held)}")
        if progress["released"] - progress["recorded"] != len(in_flight) + len(held):
            raise Broken(f"job {name} has lost sight of a unit: {sorted(in_flight)}")
        if held and not in_flight:
            raise Broken(f"job {name} holds units, and nothing has them go on: {sorted(held)}")
