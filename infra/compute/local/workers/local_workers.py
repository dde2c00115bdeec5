"""Batch jobs on this machine: every worker is a local process."""

import asyncio
import platform
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from domain.ports import (
    LogKind,
    Observation,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
)
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.ground.owners import owner_of
from infra.compute.ground.room import Portion, Room
from infra.compute.local.endings import Endings
from infra.compute.local.instances.fleet import Fleet, FleetPlan
from infra.compute.local.instances.launch import Launch, Prepared
from infra.compute.local.instances.life_meter import Payer
from infra.compute.local.premises import Premises
from infra.compute.local.workers.attempts import Attempts
from infra.compute.local.workers.preparations import Preparations
from infra.compute.local.workers.worker_pool import WorkerPool
from infra.compute.local.workers.worker_pools import WorkerPools

_CLOSE_GRACE: Final = 3.0
_QUICK: Final = 0.5
_LONGEST_END: Final = 15.0


class LocalWorkers(Workers):
    """`home` is the data folder, which no two hosts have at once: attempts live in the memory
    of the one that has it. `room` is what this machine has, of which online deployments have
    `taken` some."""

    def __init__(
        self,
        premises: Premises,
        home: Path,
        *,
        room: Room,
        taken: Callable[[], Portion],
        limits: LocalLimits,
    ) -> None:
        self._premises = premises
        self._holder = f"{platform.node()}:{home.absolute()}"
        self._endings = Endings()
        self._retiring: set[asyncio.Task[None]] = set()
        self.pools = WorkerPools(
            self._new_pool,
            premises.logs,
            room=room,
            taken=taken,
            retire=self._retire_pool,
            slice_seconds=limits.slice_seconds,
        )
        self._preparations = Preparations(
            self._new_preparation, premises.logs_of, retire=self._retire_preparation
        )
        self._attempts = Attempts(
            self.pools,
            premises.http,
            self._publish,
            max_attempts=limits.attempts,
            lease_wait=limits.lease_wait,
        )
        premises.let_to(self)

    @property
    def fleets(self) -> list[Fleet]:
        return [*self.pools.fleets, *self._preparations.fleets]

    @property
    def busy(self) -> Portion:
        """What units have of the machine now."""
        return self.pools.busy

    async def close(self) -> set[asyncio.Task[None]]:
        """Units under way are given up. What ends everything else."""
        await self._attempts.close()
        await self.pools.close()
        for key in self._preparations.keys:
            self._preparations.end(key)
        return self._endings.tasks | self._retiring

    async def give_back(self) -> None:
        """Units under way are given up, and no worker is left. Jobs may be begun again."""
        await self._attempts.close()
        self.pools.clear()
        for key in self._preparations.keys:
            self._preparations.end(key)
        if tasks := self._endings.tasks | self._retiring:
            await asyncio.wait(tasks, timeout=_LONGEST_END)

    # -- Workers

    @property
    def holder(self) -> str | None:
        return self._holder

    async def ensure(self, workload: WorkersWorkload) -> Observation:
        await self._premises.enter()
        if workload.worker_count:
            return await self.pools.join(workload)
        return self._preparations.begin(workload)

    async def observe(self, key: str) -> Observation | None:
        return self._preparations.observe(key) or self.pools.observe(key)

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        pool = self.pools.leave(key)
        if pool is not None and pool.output is not None:
            self._endings.begin(key, self._end_pool(pool))
        elif pool is not None and (retiring := pool.fleet.retiring):
            await asyncio.wait(retiring, timeout=_QUICK)
        self._preparations.end(key)
        gone = await self._endings.over(key, within=_QUICK)
        return gone and self._preparations.observe(key) is None

    async def keys(self) -> Sequence[str]:
        return sorted({*self._endings.keys, *self._preparations.keys, *self.pools.jobs})

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        pool = self.pools.pool(key)
        fleet = pool.fleet if pool else self._preparations.fleet(key)
        if fleet is None:
            return ""
        if kind is LogKind.STORAGE_INITIALIZER:
            log = self._premises.environments.log(fleet.plan.program.environment)
            return await asyncio.to_thread(log.tail, tail)
        return await asyncio.to_thread(self.pools.log_tail, key, tail)

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        return await self._attempts.run(key, request, wait)

    # -- inside

    def _new_pool(
        self, name: str, workload: WorkersWorkload, logs: Path, changed: Callable[[], None]
    ) -> Fleet:
        return Fleet(self._plan(name, workload), self._premises.workshop, logs, changed)

    def _new_preparation(self, workload: WorkersWorkload, logs: Path) -> Fleet:
        plan = self._plan(workload.key, workload)
        return Fleet(plan, self._premises.workshop, logs, lambda: None)

    def _plan(self, key: str, workload: WorkersWorkload) -> FleetPlan:
        def launches(prepared: Prepared) -> tuple[Launch, ...]:
            folder = None
            if workload.output is not None:
                folder = self._premises.outputs.folder(key, workload.output)
                folder.mkdir(parents=True, exist_ok=True)
            return (prepared.launch("work", output=folder),)

        return FleetPlan(
            key=key,
            revision=workload.revision,
            program=workload.program,
            processes=0,
            launches=launches,
            drain_grace=_CLOSE_GRACE,
            about=owner_of(key),
            payer=Payer(lambda: self.pools.first_job(key)),
            goes_on=True,
        )

    async def _publish(self, key: str) -> None:
        """What the workers of a job have written to their output folder is in the blob store,
        under its own path. Raises DomainError."""
        pool = self.pools.pool(key)
        if pool is not None and pool.output is not None:
            await self._premises.outputs.publish(pool.name, pool.output)

    async def _end_pool(self, pool: WorkerPool) -> None:
        await pool.fleet.stop(_CLOSE_GRACE)
        if not self._premises.shut and pool.output is not None:
            await self._premises.outputs.release(pool.name, pool.output)
        await self._premises.clear(pool.fleet.logs)

    def _retire_pool(self, pool: WorkerPool) -> None:
        task = asyncio.create_task(self._end_pool(pool), name=f"end {pool.name}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _retire_preparation(self, key: str, fleet: Fleet) -> None:
        async def retire() -> None:
            await fleet.stop(0)
            if self._preparations.observe(key) is None:
                await self._premises.clear(fleet.logs)
            else:
                await self._premises.prune()

        self._endings.begin(key, retire())
