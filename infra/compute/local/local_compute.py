"""Compute on this machine: what serves and what works for jobs are local processes."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from domain.ports import BlobStore
from infra.compute.ground.instance_types import machine
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.ground.room import Room
from infra.compute.local.files.environments import Environments
from infra.compute.local.files.outputs import Outputs
from infra.compute.local.files.pythons import Pythons
from infra.compute.local.isolation.isolation import Isolation
from infra.compute.local.local_capabilities import LocalCapabilities
from infra.compute.local.local_disk import LocalDisk
from infra.compute.local.local_succession import LocalSuccession
from infra.compute.local.premises import RUNTIME, Kept, Premises
from infra.compute.local.processes.process_groups import ProcessGroups
from infra.compute.local.processes.script_files import FileLimits
from infra.compute.local.serving.local_scorer import LocalScorer
from infra.compute.local.serving.local_serving import LocalServing
from infra.compute.local.workers.local_workers import LocalWorkers
from infra.compute.package_sources import PackageSources

_CLOSE_LIMIT: Final = 15.0


class LocalCompute:
    """Keeps everything under `<data_dir>/compute`, which is its own. `start` before use, `close`
    at the end: then no process of it is left. Probes count an instance's time by `clock`.
    `premises` is what they share."""

    def __init__(
        self,
        data_dir: Path,
        blobs: BlobStore,
        outputs: Outputs,
        *,
        uv: str,
        packages: PackageSources,
        limits: LocalLimits,
        isolation: Isolation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def environments(folder: Path, processes: ProcessGroups) -> Environments:
            return Environments(
                folder,
                processes,
                pythons=Pythons(uv, packages.pythons),
                python=sys.executable,
                runtime=RUNTIME,
                packages=packages,
                max_builds=limits.builds,
                deadline=limits.build_deadline.total_seconds(),
            )

        self.premises = Premises(
            data_dir / "compute",
            blobs,
            outputs,
            environments,
            kept=Kept(limits.kept_environments, 2 * limits.kept_environments, limits.kept_age),
            files=FileLimits(limits.script_files, limits.script_output),
            isolation=isolation,
            clock=clock,
        )
        room = Room(limits, machine())
        self.serving = LocalServing(self.premises, room=room, busy=lambda: self.workers.busy)
        self.capabilities = LocalCapabilities(
            self.premises.environments,
            self.premises.isolation,
            self.serving.shortage,
            lambda: self.serving.taken + self.workers.busy,
            room,
        )
        self.scorer = LocalScorer(self.premises.http)
        self.workers = LocalWorkers(
            self.premises,
            data_dir,
            room=room,
            taken=lambda: self.serving.taken,
            limits=limits,
        )
        self.disk = LocalDisk(self.premises)
        self.succession = LocalSuccession(self.premises, self.serving, self.workers)

    async def start(self) -> None:
        """Sweep what a previous host left: processes, sockets, half-made folders, old logs."""
        await self.premises.enter()

    async def close(self) -> None:
        """Stop everything, in bounded time."""
        if not self.premises.entered or self.premises.shut:
            return
        self.premises.shut = True
        tasks = await self.workers.close() | self.serving.close()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSE_LIMIT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.premises.lives.all_ended()
        await self.premises.leave()
