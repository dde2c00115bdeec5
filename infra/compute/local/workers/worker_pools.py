"""The worker processes of all batch jobs on this machine.

Jobs that run the same share a pool. A pool outlives its jobs by its cluster's idle time, so
that the next job finds workers; pools that compete for processes get shares, and turns where
there are not enough for all (infra/compute/ground/shares.py).
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from domain.ports import Observation, WorkersWorkload, WorkloadState
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.room import Portion, Room
from infra.compute.ground.shares import Claim, shares
from infra.compute.local.instances.fleet import Fleet
from infra.compute.local.instances.supervised_instance import Lease, SupervisedInstance
from infra.compute.local.workers.worker_pool import Waiter, WorkerPool

_log = logging.getLogger(__name__)

_LOOK: Final = 0.5

NewFleet = Callable[[str, WorkersWorkload, Path, Callable[[], None]], Fleet]
"""A fleet of no processes yet: its key, one job of those to come, a folder for its logs, and
whom to tell of changes."""


class WorkerPools:
    """`room` is what this machine has, of which online deployments have `taken` some; `retire`
    ends a pool's fleet in the background. A pool that has had processes for `slice_seconds` gives
    way to one that waits for its first."""

    def __init__(
        self,
        new_fleet: NewFleet,
        logs: Path,
        *,
        room: Room,
        taken: Callable[[], Portion],
        retire: Callable[[WorkerPool], None],
        slice_seconds: float,
    ) -> None:
        self._new_fleet = new_fleet
        self._logs = logs
        self._room = room
        self._taken = taken
        self._retire = retire
        self._slice = slice_seconds
        self._pools: dict[str, WorkerPool] = {}
        self._jobs: dict[str, WorkerPool] = {}
        self._watch: asyncio.Task[None] | None = None
        self._pressed = False

    async def close(self) -> None:
        """Whoever waits is told; `retire` is given every pool."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self.clear()

    def clear(self) -> None:
        """No job has workers; `retire` is given every pool."""
        for key in list(self._jobs):
            self._take_away(key)
        for name in list(self._pools):
            self._end(name)

    # -- jobs

    async def join(self, workload: WorkersWorkload) -> Observation:
        """Let a job have workers; again: change how many it asks for, and try anew what has
        failed."""
        size = workload.program.size
        lacking = self._room.refusal(size, self._room.of(size, 1), self._taken())
        if lacking is not None:
            self._take_away(workload.key)
            return _refused(workload, lacking)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look_after(), name="worker pools")
        name = pool_name(workload)
        pool = self._pools.get(name)
        if pool is not None and not pool.jobs and _is_spent(pool):
            self._end(name)
            pool = None
        if pool is None:
            pool = self._pools[name] = self._new_pool(name, workload)
        known = self._jobs.get(workload.key)
        if known is not pool:
            self._take_away(workload.key)
            pool.fleet.mark(_begins(workload.key))
        pool.join(workload)
        self._jobs[workload.key] = pool
        pool.fleet.revive()
        self.balance()
        return pool.observation(workload.key)

    def leave(self, key: str) -> WorkerPool | None:
        """The job is over here. What it ran on, if it was known; the caller is to end it where
        it has an output, for nobody else can use it."""
        pool = self._jobs.pop(key, None)
        if pool is None:
            return None
        pool.leave(key)
        if pool.output is not None:
            del self._pools[pool.name]
        self.balance()
        return pool

    def _take_away(self, key: str) -> None:
        pool = self.leave(key)
        if pool is not None and pool.output is not None:
            self._retire(pool)

    def observe(self, key: str) -> Observation | None:
        pool = self._jobs.get(key)
        return pool.observation(key) if pool else None

    @property
    def jobs(self) -> Sequence[str]:
        return list(self._jobs)

    def pool(self, key: str) -> WorkerPool | None:
        """What runs for the job."""
        return self._jobs.get(key)

    def first_job(self, name: str) -> str:
        """Of the pool `name`, the job that came first of those that it has; '' for none."""
        pool = self._pools.get(name)
        return next(iter(pool.jobs), "") if pool is not None else ""

    def log_tail(self, key: str, lines: int) -> str:
        """The last lines that the job's workers printed since it began."""
        pool = self.pool(key)
        return pool.fleet.log_tail(lines, since=_begins(key)) if pool else ""

    @property
    def fleets(self) -> Sequence[Fleet]:
        return [pool.fleet for pool in self._pools.values()]

    @property
    def busy(self) -> Portion:
        """What units have of the machine now."""
        return self._sum(lambda pool: pool.busy)

    # -- leases

    async def lease(self, key: str, waiter: Waiter) -> Lease:
        """Raises StartFailure when there will be none: also for a job that never joined."""
        pool = self._jobs.get(key)
        if pool is None:
            raise StartFailure("ResourceNotFound", f"No workers were started for {key}.")
        return await pool.lease(key, waiter)

    def busy_without(
        self, key: str, prepared: set[SupervisedInstance]
    ) -> SupervisedInstance | None:
        """A worker at a unit of the job that is not in `prepared`."""
        pool = self._jobs.get(key)
        return pool.busy_without(key, prepared) if pool else None

    # -- processes

    def balance(self) -> None:
        """Start and end workers towards what each pool's share is now."""
        now = asyncio.get_running_loop().time()
        room = self._room.whole - self._taken()
        claims = [self._claim(name, pool) for name, pool in self._pools.items() if pool.asked]
        claims = [claim for claim in claims if self._pools[claim.key].fleet.is_prepared]
        limits = self._limits(room)
        given = shares(claims, room, limits, now=now, slice_seconds=self._slice)
        for name, pool in self._pools.items():
            pool.share = given.get(name, 0)
        self._make_room(room, limits)
        for pool in sorted(self._pools.values(), key=lambda p: p.processes):
            more = (room - self._present()).times(self._of(pool, 1))
            free = min(more, self._free_in(pool.cluster.name, limits))
            wanted = min(pool.share, pool.processes + max(0, free))
            if wanted > pool.processes:
                pool.grow(wanted)
            pool.grant()

    def _claim(self, name: str, pool: WorkerPool) -> Claim:
        return Claim(
            key=name,
            cluster=pool.cluster.name,
            asked=pool.worth_having,
            jobs=len(pool.jobs),
            held=pool.processes,
            since=pool.since,
            first=self._room.of(pool.size, 1),
            each=self._of(pool, 1),
        )

    def _limits(self, room: Portion) -> dict[str, int]:
        """The most processes of each cluster."""
        limits: dict[str, int] = {}
        for pool in self._pools.values():
            most = pool.cluster.most_processes
            limit = int(room.processes) if most is None else most
            limits[pool.cluster.name] = max(limit, limits.get(pool.cluster.name, 0))
        return limits

    def _of(self, pool: WorkerPool, processes: int) -> Portion:
        """What so many of its processes count for."""
        return self._room.of(pool.size, processes, seen=pool.seen)

    def _sum(self, count: Callable[[WorkerPool], int]) -> Portion:
        return sum((self._of(pool, count(pool)) for pool in self._pools.values()), Portion())

    def _held(self) -> Portion:
        return self._sum(lambda pool: pool.processes)

    def _present(self) -> Portion:
        """With those that are just ending."""
        return self._sum(lambda pool: pool.processes + len(pool.fleet.retiring))

    def _free_in(self, cluster: str, limits: dict[str, int]) -> int:
        there = (pool.processes for pool in self._pools.values() if pool.cluster.name == cluster)
        return limits[cluster] - sum(there)

    def _make_room(self, room: Portion, limits: dict[str, int]) -> None:
        """Take idle workers from whoever has them beyond its share, if others lack them."""
        self._pressed = False
        lack = dict.fromkeys(limits, 0)
        for pool in self._pools.values():
            lack[pool.cluster.name] += max(0, pool.share - pool.processes)
        for cluster, count in lack.items():
            self._free(count - self._free_in(cluster, limits) if count else 0, cluster)
        lacking = self._sum(lambda pool: max(0, pool.share - pool.processes))
        for pool in self._pools.values():
            for instance in pool.idle_surplus(0.0):
                if room.holds(self._held() + lacking):
                    return
                self._pressed = True
                pool.retire(instance)
        self._pressed |= not room.holds(self._held() + lacking)

    def _free(self, count: int, cluster: str) -> None:
        for pool in self._pools.values() if count > 0 else ():
            self._pressed = True
            if pool.cluster.name == cluster:
                for instance in pool.idle_surplus(0.0)[: max(0, count)]:
                    pool.retire(instance)
                    count -= 1

    def _changed(self, name: str) -> None:
        """Something about a pool's workers, or whether they are idle, has changed."""
        pool = self._pools.get(name)
        if pool is None:
            return
        pool.note_ready()
        if self._pressed or pool.processes != pool.share or not pool.processes:
            # (One without any may have been prepared just now, and have no share yet.)
            self.balance()
        else:
            pool.grant()

    async def _look_after(self) -> None:
        """Slices end, and idle workers' time runs out."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                self._retire_idle()
                self.balance()
            except Exception:  # a fault of ours must show, and must not end the looking after
                _log.exception("the worker pools are out of balance")

    def _retire_idle(self) -> None:
        for name, pool in list(self._pools.items()):
            for instance in pool.idle_surplus(pool.idle_time):
                pool.retire(instance)
            if not pool.jobs and not pool.processes:
                self._end(name)

    def _new_pool(self, name: str, workload: WorkersWorkload) -> WorkerPool:
        fleet = self._new_fleet(name, workload, self._logs / name, lambda: self._changed(name))
        fleet.start()
        return WorkerPool(name, fleet, workload)

    def _end(self, name: str) -> None:
        self._retire(self._pools.pop(name))


def pool_name(workload: WorkersWorkload) -> str:
    """The same for jobs whose processes would be the same."""
    program = dataclasses.replace(workload.program, environment_variables={})
    variables = sorted(workload.program.environment_variables.items())
    cluster = workload.cluster.name, workload.cluster.idle_time
    text = f"{program!r} {variables!r} {cluster!r} {workload.output!r}"
    return "pool-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_spent(pool: WorkerPool) -> bool:
    """Whether a pool without jobs is of no use to the next one."""
    return pool.fleet.failure is not None or not pool.fleet.is_prepared


def _begins(key: str) -> str:
    return f"Job {key.rpartition('/')[2]} begins."


def _refused(workload: WorkersWorkload, reason: str) -> Observation:
    return Observation(
        revision=workload.revision,
        state=WorkloadState.FAILED,
        ready=0,
        wanted=workload.worker_count,
        code="OutOfQuota",
        reason=f"Online deployments leave no worker any room. {reason}",
    )
