"""The worker processes that jobs share which run the same thing.

Workers are leased to one unit at a time. Of the jobs whose units wait, the one that holds
fewest workers comes next, and of equals the one that was served longest ago; within a job, its
units come in the order they were asked for. No job holds more than it asked for.
"""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from domain.ports import InstanceSize, Observation, WorkersWorkload, WorkloadState
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.instance_types import available_cores
from infra.compute.local.instances.fleet import Fleet
from infra.compute.local.instances.supervised_instance import (
    InstanceState,
    Lease,
    SupervisedInstance,
)

_LAST_GRACE: Final = 5.0
"""Seconds for `shutdown()` of a worker that is not needed any more."""


@dataclass(eq=False)
class Waiter:
    """A unit that waits for a worker. `prepared_on`: who fetches its inputs already."""

    lease: asyncio.Future[Lease]
    prepared_on: SupervisedInstance | None = None


@dataclass(eq=False)
class _Member:
    workload: WorkersWorkload
    served: int = 0
    leases: dict[Lease, SupervisedInstance] = field(default_factory=dict)
    waiting: deque[Waiter] = field(default_factory=deque)

    @property
    def asked(self) -> int:
        return self.workload.worker_count


class WorkerPool:
    """`fleet` is this pool's own, and `name` its key; one with an `output` is for one job alone.
    `share` is how many processes it is to have; what it has beyond, idle, is kept warm until
    somebody takes it away."""

    def __init__(self, name: str, fleet: Fleet, workload: WorkersWorkload) -> None:
        self.name = name
        self.fleet = fleet
        self.output = workload.output
        self.cluster = workload.cluster
        self.share = 0
        self._since = self._now()
        self._began = False
        self._members: dict[str, _Member] = {}
        self._turns = itertools.count(1)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    # -- jobs

    def join(self, workload: WorkersWorkload) -> None:
        member = self._members.get(workload.key)
        if member is None:
            if not self._members:
                self._since = self._now()
            self._members[workload.key] = _Member(workload)
        else:
            member.workload = workload
        self.cluster = workload.cluster

    def leave(self, key: str) -> None:
        """The job has no more units: those that wait are told, and a worker that is still at
        one of its units is killed."""
        member = self._members.pop(key)
        for waiter in member.waiting:
            if not waiter.lease.done():
                waiter.lease.set_exception(_taken_away(key))
        for instance in list(member.leases.values()):
            self.fleet.drop(instance, 0)

    @property
    def jobs(self) -> list[str]:
        return list(self._members)

    def waiting(self, key: str) -> int:
        """How many units of a job wait for a worker."""
        return len(self._members[key].waiting)

    @property
    def asked(self) -> int:
        """What its jobs ask together."""
        return sum(member.asked for member in self._members.values())

    @property
    def worth_having(self) -> int:
        """What its jobs ask together; where no limit was set, not more than keep the machine's
        cores busy, unless one of them alone asks for more."""
        if self.cluster.most_processes is not None:
            return self.asked
        largest = max((member.asked for member in self._members.values()), default=0)
        return min(self.asked, max(available_cores(), largest))

    @property
    def idle_time(self) -> float:
        """Seconds that an idle worker is kept; one that only one job can use is not."""
        return 0.0 if self.output else self.cluster.idle_time.total_seconds()

    def observation(self, key: str) -> Observation:
        workload = self._members[key].workload
        ready = len(self.fleet.ready)
        failure = self.fleet.failure
        state = self.fleet.state
        reason = failure.reason if failure else None
        if not self.fleet.instances and state is WorkloadState.READY:
            state, reason = WorkloadState.STARTING, "Other jobs hold the compute now."
        return Observation(
            revision=workload.revision,
            state=state,
            ready=min(ready, workload.worker_count),
            wanted=workload.worker_count,
            code=failure.code if failure else None,
            reason=reason,
        )

    # -- processes

    @property
    def processes(self) -> int:
        return len(self.fleet.instances)

    @property
    def size(self) -> InstanceSize:
        return self.fleet.plan.program.size

    @property
    def seen(self) -> list[int]:
        """What each process has been measured to use, as far as it has been."""
        return [each.peak for each in self.fleet.instances if each.peak]

    @property
    def since(self) -> float:
        """When it first had a worker that was ready, or began to wait for one. Starting uses no
        slice up: a worker ended for it each time would never come to work."""
        return self._now() if self.processes and not self._began else self._since

    def note_ready(self) -> None:
        """To be called when a worker may have become ready."""
        if not self._began and self.fleet.ready:
            self._since, self._began = self._now(), True

    @property
    def busy(self) -> int:
        return sum(len(member.leases) for member in self._members.values())

    def grow(self, count: int) -> None:
        """Start workers until there are `count`."""
        if not self.processes:
            self._since, self._began = self._now(), False
        self.fleet.grow(count)

    def idle_surplus(self, least_idle: float) -> list[SupervisedInstance]:
        """What could be taken away: beyond the share, and idle for so long (seconds), longest
        first."""
        before = self._now() - least_idle
        idle = [each for each in self.fleet.instances if each.idle_since <= before]
        idle.sort(key=lambda each: (each.state is InstanceState.READY, each.idle_since))
        return idle[: max(0, self.processes - self.share)]

    def retire(self, instance: SupervisedInstance) -> None:
        self.fleet.drop(instance, _LAST_GRACE)
        if not self.processes:
            self._since = self._now()

    # -- leases

    async def lease(self, key: str, waiter: Waiter) -> Lease:
        """The next worker for a unit of job `key`. Raises StartFailure when there will be none:
        all have failed, or the job was taken away."""
        if self.fleet.failure is not None:
            raise self.fleet.failure
        member = self._members[key]
        member.waiting.append(waiter)
        self.grant()
        try:
            return await waiter.lease
        except asyncio.CancelledError:
            if waiter.lease.done() and not waiter.lease.cancelled():
                waiter.lease.result().release()
            raise
        finally:
            if waiter in member.waiting:
                member.waiting.remove(waiter)

    def busy_without(
        self, key: str, prepared: set[SupervisedInstance]
    ) -> SupervisedInstance | None:
        """A worker at a unit of `key` that is not in `prepared`."""
        leases = self._members[key].leases.values() if key in self._members else ()
        return next((each for each in leases if each not in prepared), None)

    def grant(self) -> None:
        """Give idle workers to those who wait."""
        failure = self.fleet.failure
        while member := self._next_member():
            if failure is not None:
                member.waiting.popleft().lease.set_exception(failure)
                continue
            if self.busy >= self.share:
                return
            leased = self._idle_for(member)
            if leased is None:
                return
            waiter, instance, lease = leased
            member.waiting.remove(waiter)
            member.served = next(self._turns)
            member.leases[lease] = instance
            lease.on_release = partial(member.leases.pop, lease, None)
            waiter.lease.set_result(lease)

    def _next_member(self) -> _Member | None:
        ready = []
        for member in self._members.values():
            while member.waiting and member.waiting[0].lease.done():
                member.waiting.popleft()
            if member.waiting and len(member.leases) < member.asked:
                ready.append(member)
        return min(ready, key=lambda m: (len(m.leases), m.served), default=None)

    def _idle_for(self, member: _Member) -> tuple[Waiter, SupervisedInstance, Lease] | None:
        for instance in self.fleet.instances:
            lease = instance.lease(member.workload.key)
            if lease is not None:
                live = [each for each in member.waiting if not each.lease.done()]
                prepared = (each for each in live if each.prepared_on is instance)
                return next(prepared, live[0]), instance, lease
        return None


def _taken_away(key: str) -> StartFailure:
    return StartFailure("OperationCanceled", f"The workers of {key} were taken away.")
