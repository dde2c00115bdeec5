"""Compute on this machine: every instance is a local process.

What is wanted is held in memory alone: after a restart of the host its processes are gone and
the domain asks for them again.
"""

import asyncio
import hashlib
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from domain.errors import Invalid, Unavailable
from domain.ports import (
    BlobStore,
    Compute,
    EnvironmentSpec,
    Instance,
    LogKind,
    Observation,
    Workload,
    WorkloadKind,
    WorkloadState,
)
from infra.compute.http.unix_http import UnixHttp
from infra.compute.local import instance_types
from infra.compute.local.cores import Cores
from infra.compute.local.endings import Endings
from infra.compute.local.failure import StartFailure
from infra.compute.local.files.environments import Environments
from infra.compute.local.files.fetched_files import Assets
from infra.compute.local.files.outputs import Outputs
from infra.compute.local.processes.process_groups import ProcessGroups
from infra.compute.local.processes.sockets import Sockets
from infra.compute.local.serving.fleet import Fleet, Workshop
from infra.compute.local.serving.supervised_instance import SupervisedInstance, Surroundings
from infra.compute.local.slot import Slot
from infra.compute.local.workers.worker_pools import SLICE, WorkerPools

RUNTIME: Final = Path(__file__).resolve().parents[3] / "runtime"
_KEPT_ENVIRONMENTS: Final = 8
_KEPT_ASSETS: Final = 16
_KEPT_LOGS: Final = 7 * 86400.0
_CLOSE_GRACE: Final = 3.0
_CLOSE_LIMIT: Final = 15.0
_QUICK: Final = 0.5


class LocalCompute(Compute):
    """Keeps everything under `<data_dir>/compute`, which is its own. `start` before use, `close`
    at the end: then no process of it is left. `max_instances` is this machine's quota;
    batch jobs of different kinds that compete for it take turns of `slice_seconds`. Probes count
    an instance's time by `clock`."""

    def __init__(
        self,
        data_dir: Path,
        blobs: BlobStore,
        outputs: Outputs,
        *,
        uv: str,
        python: str = sys.executable,
        runtime: Path = RUNTIME,
        max_builds: int = 1,
        max_instances: int = 64,
        slice_seconds: float = SLICE,
        build_deadline: timedelta = timedelta(minutes=30),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        folder = data_dir / "compute"
        self._folder = folder
        self._max_instances = max_instances
        self.http = UnixHttp()
        self._processes = ProcessGroups(folder / "processes")
        self._sockets = Sockets(folder / "tmp")
        self._environments = Environments(
            folder / "environments",
            self._processes,
            uv=uv,
            python=python,
            runtime=runtime,
            max_builds=max_builds,
            deadline=build_deadline.total_seconds(),
        )
        self._assets = Assets(folder / "assets", blobs)
        around = Surroundings(self._processes, self._sockets, self.http, Cores(), clock)
        self._workshop = Workshop(self._environments, self._assets, around, runtime, outputs)
        self._outputs = outputs
        self._slots: dict[str, Slot] = {}
        self._endings = Endings()
        self.pools = WorkerPools(
            lambda workload, logs, changed: Fleet(workload, self._workshop, logs, changed),
            folder / "logs",
            room=self._batch_room,
            retire=self._retire_pool,
            slice_seconds=slice_seconds,
        )
        self._pools_ending: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._started = False
        self._closed = False

    async def start(self) -> None:
        """Sweep what a previous host left: processes, sockets, half-made folders, old logs."""
        async with self._starting:
            if self._started:
                return
            await asyncio.to_thread(self._sweep)
            await self._processes.start()
            self._started = True

    async def close(self) -> None:
        """Stop everything, in bounded time."""
        if not self._started or self._closed:
            return
        self._closed = True
        await self.pools.close()
        for key in list(self._slots):
            self._end_slot(key, _CLOSE_GRACE)
        tasks = self._endings.tasks | self._pools_ending
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSE_LIMIT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._environments.close()
        await self._assets.close()
        self.http.close()
        await self._processes.close()
        await asyncio.to_thread(self._sockets.close)

    # -- Compute

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        reasons = list(await self._environments.refusals(environment))
        if instance_type is not None and instance_types.find(instance_type) is None:
            reasons.append(_no_such_type(instance_type))
        return reasons

    def size(self, instance_type: str | None) -> tuple[float, int]:
        name = instance_types.LOCAL if instance_type is None else instance_type
        row = instance_types.find(name)
        if row is None:
            raise Invalid(_no_such_type(name), target="instanceType")
        return row.cpu, row.memory

    async def ensure(self, workload: Workload) -> Observation:
        if self._closed:
            raise Unavailable("This host is stopping.")
        await self.start()
        if workload.kind is WorkloadKind.BATCH and workload.instance_count:
            return await self.pools.join(workload)
        slot = self._slots.get(workload.key)
        if slot is None:
            logs = self._folder / "logs" / _folder_name(workload.key)
            slot = Slot(workload.kind, logs, self._new_fleet(workload, logs))
            self._slots[workload.key] = slot
            self._begin(slot.current)
        elif slot.newest.revision == workload.revision:
            self._adjust(slot, workload)
        elif slot.current.revision == workload.revision:
            assert slot.next is not None
            self._retire(workload.key, slot.next)
            slot.next = None
            self._adjust(slot, workload)
        else:
            self._roll_out(slot, workload)
        self._changed(workload.key)
        return self._observation(slot)

    async def observe(self, key: str) -> Observation | None:
        slot = self._slots.get(key)
        return self._observation(slot) if slot else self.pools.observe(key)

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        pool = self.pools.leave(key)
        if pool is not None and pool.workload.output is not None:
            self._endings.begin(key, WorkloadKind.BATCH, self._end_pool(pool))
        elif pool is not None and (retiring := pool.retiring):
            await asyncio.wait(retiring, timeout=_QUICK)
        if key in self._slots:
            self._end_slot(key, grace.total_seconds())
        return await self._endings.over(key, within=_QUICK) and key not in self._slots

    async def keys(self, kind: WorkloadKind) -> Sequence[str]:
        jobs = self.pools.jobs if kind is WorkloadKind.BATCH else ()
        here = {key for key, slot in self._slots.items() if slot.kind is kind}
        return sorted({*self._endings.keys(kind), *here, *jobs})

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        slot = self._slots.get(key)
        fleet = slot.newest if slot else self.pools.fleet(key)
        if fleet is None:
            return ""
        if kind is LogKind.STORAGE_INITIALIZER:
            log = self._environments.log(fleet.workload.environment)
            return await asyncio.to_thread(log.tail, tail)
        if slot is None:
            return await asyncio.to_thread(self.pools.log_tail, key, tail)
        return await asyncio.to_thread(fleet.log_tail, tail)

    def instances(self, key: str) -> Sequence[Instance]:
        slot = self._slots.get(key)
        if slot is not None:
            return slot.instances
        pool = self.pools.fleet(key)
        return tuple(each.instance for each in pool.ready) if pool else ()

    # -- what the figures need

    def running(self, kind: WorkloadKind) -> list[tuple[str, SupervisedInstance]]:
        """Every instance of a kind, with its workload's key. Any thread may ask."""
        return [
            (key, instance)
            for key, slot in list(self._slots.items())
            if slot.kind is kind
            for fleet in slot.fleets
            for instance in list(fleet.instances)
        ]

    async def publish(self, key: str) -> None:
        """What the workers of `key` have written to their output folder is in the blob store,
        under its own path. Raises DomainError."""
        fleet = self.pools.fleet(key)
        if fleet is not None and (output := fleet.workload.output) is not None:
            await self._outputs.publish(fleet.workload.key, output)

    # -- inside

    def _sweep(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sockets.open()
        self._environments.sweep()
        self._assets.sweep()
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        for folder in logs.iterdir():
            if folder.stat().st_mtime < time.time() - _KEPT_LOGS:
                shutil.rmtree(folder, ignore_errors=True)

    def _new_fleet(self, workload: Workload, logs: Path) -> Fleet:
        revision = hashlib.sha256(workload.revision.encode()).hexdigest()[:16]
        return Fleet(workload, self._workshop, logs / revision, lambda: self._changed(workload.key))

    def _begin(self, fleet: Fleet) -> None:
        over = self._over_quota(fleet, fleet.workload)
        if over is not None:
            fleet.refuse(over)
        else:
            fleet.start()

    def _adjust(self, slot: Slot, workload: Workload) -> None:
        """The revision that is there already: its instance count, and another try if it has
        failed."""
        fleet = slot.newest
        over = self._over_quota(fleet, workload)
        if over is not None:
            fleet.refuse(over)
        elif fleet is slot.next and fleet.state is WorkloadState.FAILED:
            self._roll_out(slot, workload)
        else:
            fleet.scale(workload.instance_count)
            fleet.revive()

    def _held(self, but_for: Fleet | None = None) -> int:
        """Processes that deployments hold."""
        return sum(
            each.processes
            for slot in self._slots.values()
            for each in slot.fleets
            if each is not but_for and each.failure is None
        )

    def _batch_room(self) -> int:
        """What deployments leave to batch jobs."""
        return self._max_instances - self._held()

    def _over_quota(self, fleet: Fleet, workload: Workload) -> StartFailure | None:
        wanted = workload.instance_count * workload.workers
        others = self._held(but_for=fleet) + self.pools.busy
        if others + wanted <= self._max_instances:
            return None
        reason = (
            f"This machine runs at most {self._max_instances} instances; {others} others are "
            f"wanted already, and {wanted} were asked for."
        )
        return StartFailure("OutOfQuota", reason)

    def _roll_out(self, slot: Slot, workload: Workload) -> None:
        key = workload.key
        if slot.next is not None:
            self._retire(key, slot.next)
            slot.next = None
        fleet = self._new_fleet(workload, slot.logs)
        if slot.current.ready:
            slot.next = fleet
        else:
            # It serves nobody: there is nothing to protect.
            self._retire(key, slot.current)
            slot.current = fleet
        self._begin(fleet)

    def _changed(self, key: str) -> None:
        slot = self._slots.get(key)
        if slot is not None:
            if slot.next is not None and slot.next.state is WorkloadState.READY:
                old, slot.current, slot.next = slot.current, slot.next, None
                self._retire(key, old)
            elif slot.next is not None and slot.next.state is WorkloadState.FAILED:
                slot.next.give_up()
            slot.instances = tuple(each.instance for each in slot.current.ready)
            slot.served = slot.served or bool(slot.instances)

    def _observation(self, slot: Slot) -> Observation:
        seen = slot.newest.observation(serving=bool(slot.current.ready))
        return replace(seen, served=slot.served)

    def _retire(self, key: str, fleet: Fleet) -> None:
        async def retire() -> None:
            await fleet.stop(fleet.drain_grace)
            slot = self._slots.get(key)
            if slot is None or all(each.logs != fleet.logs for each in slot.fleets):
                await asyncio.to_thread(shutil.rmtree, fleet.logs, ignore_errors=True)
            await self._prune()

        self._endings.begin(key, fleet.workload.kind, retire())

    def _end_slot(self, key: str, grace: float) -> None:
        slot = self._slots.pop(key)

        async def end() -> None:
            await asyncio.gather(*(fleet.stop(grace) for fleet in slot.fleets))
            if key not in self._slots and not self._closed:
                await asyncio.to_thread(shutil.rmtree, slot.logs, ignore_errors=True)
                await self._prune()

        self._endings.begin(key, slot.kind, end())

    async def _end_pool(self, fleet: Fleet) -> None:
        await fleet.stop(_CLOSE_GRACE)
        if not self._closed:
            await asyncio.to_thread(shutil.rmtree, fleet.logs, ignore_errors=True)
            if (output := fleet.workload.output) is not None:
                await self._outputs.release(fleet.workload.key, output)
            await self._prune()

    def _retire_pool(self, name: str, fleet: Fleet) -> None:
        task = asyncio.create_task(self._end_pool(fleet), name=f"end {name}")
        self._pools_ending.add(task)
        task.add_done_callback(self._pools_ending.discard)

    async def _prune(self) -> None:
        fleets = [fleet for slot in self._slots.values() for fleet in slot.fleets]
        fleets += self.pools.fleets
        environments = {fleet.environment_key for fleet in fleets}
        assets = {name for fleet in fleets for name in fleet.assets_in_use}
        await asyncio.to_thread(self._environments.prune, environments, _KEPT_ENVIRONMENTS)
        await asyncio.to_thread(self._assets.prune, assets, _KEPT_ASSETS)


def _no_such_type(name: str) -> str:
    known = ", ".join(instance_types.INSTANCE_TYPES)
    return f"There is no instance type {name!r} here; there are {known}."


def _folder_name(key: str) -> str:
    """Readable and unique, whatever the key's characters."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", key)[:60].strip(".")
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
