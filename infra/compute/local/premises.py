"""What a machine's deployments and jobs share: folders, processes, environments, files."""

import asyncio
import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from domain.errors import Unavailable
from domain.ports import BlobStore
from infra.compute.ground.fetched_files import Assets
from infra.compute.http.unix_http import UnixHttp
from infra.compute.local.cores import Cores
from infra.compute.local.files.environments import Environments
from infra.compute.local.files.outputs import Outputs
from infra.compute.local.instances.fleet import Fleet, Workshop
from infra.compute.local.instances.life_meter import LifeMeter
from infra.compute.local.instances.supervised_instance import Surroundings
from infra.compute.local.isolation.isolation import Isolation
from infra.compute.local.processes.process_groups import ProcessGroups
from infra.compute.local.processes.script_files import FileLimits
from infra.compute.local.processes.sockets import Sockets

_log = logging.getLogger(__name__)

RUNTIME: Final = Path(__file__).resolve().parents[3] / "runtime"
_PRUNE: Final = 3600.0
_KEPT_LOGS: Final = 7 * 86400.0


@dataclass(frozen=True)
class Kept:
    """How many environments and assets are kept that nothing uses, those used last, and how long
    ago that may be."""

    environments: int
    assets: int
    age: timedelta


class Tenant(Protocol):
    """Who runs fleets here."""

    @property
    def fleets(self) -> Iterable[Fleet]: ...


class Premises:
    """Everything under `folder`, which one host has at a time; of what nobody uses there, it has
    as much as `kept` says, and scripts' files take at most what `files` says.
    `enter` before the first use; nothing is begun after `shut`. While `shared` another host's
    processes run from it too (one of the two follows the other), and nothing is thrown away."""

    def __init__(
        self,
        folder: Path,
        blobs: BlobStore,
        outputs: Outputs,
        environments: Callable[[Path, ProcessGroups], Environments],
        *,
        kept: Kept,
        files: FileLimits,
        isolation: Isolation,
        clock: Callable[[], float],
    ) -> None:
        self.http = UnixHttp()
        self.shut = False
        self.shared = False
        self.outputs = outputs
        self.logs = folder / "logs"
        self._folder = folder
        self._kept = kept
        self._pruning: asyncio.Task[None] | None = None
        self._prunes = asyncio.Lock()
        self._processes = ProcessGroups(folder / "processes")
        self.sockets = Sockets(folder / "tmp")
        self.environments = environments(folder / "environments", self._processes)
        self.assets = Assets(folder / "assets", blobs)
        self.isolation = isolation
        self.lives = LifeMeter(time.time)
        around = Surroundings(
            isolation,
            self._processes,
            self.sockets,
            self.http,
            Cores(),
            clock,
            files,
            self.lives,
        )
        self.workshop = Workshop(self.environments, self.assets, around, isolation.runtime)
        self._tenants: list[Tenant] = []
        self._entering = asyncio.Lock()
        self._lock: int | None = None
        self._entered = False

    def let_to(self, tenant: Tenant) -> None:
        """What its fleets use is kept."""
        self._tenants.append(tenant)

    async def enter(self) -> None:
        """Sweep what a previous host left: processes, sockets, half-made folders, old logs.
        Raises Unavailable when the host is stopping, or another one has the folder, and
        NotIsolated."""
        if self.shut:
            raise Unavailable("This host is stopping.")
        async with self._entering:
            if self._entered:
                return
            await asyncio.to_thread(self.isolation.start)
            await asyncio.to_thread(self._take)
            await self._processes.start(beside_others=self.shared)
            self._entered = True
            self._pruning = asyncio.create_task(self._prune_from_time_to_time(), name="prune")

    @property
    def entered(self) -> bool:
        return self._entered

    async def let_another_enter(self) -> None:
        """Nothing is half made here any more, and what runs goes on. Another host may enter;
        both are `shared` from before."""
        await self.environments.close()
        await self.assets.close()
        self._unlock()

    def enter_again(self) -> None:
        """The other one is gone. Raises Unavailable if it is not."""
        if self._entered and self._lock is None:
            self._lock = _locked(self._folder / "host.lock")
        self.shared = False

    async def leave(self) -> None:
        """No process of it is left, nor any socket."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        await self.environments.close()
        await self.assets.close()
        self.http.close()
        await self._processes.close()
        await asyncio.to_thread(self.sockets.close)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def logs_of(self, key: str) -> Path:
        """A folder for what the processes of a workload print."""
        return self.logs / _folder_name(key)

    async def clear(self, logs: Path) -> None:
        """A fleet is gone: so go its logs, and what it used and nobody needs soon. (Nothing is
        thrown away while the host stops: the next one reads it.)"""
        if not (self.shut or self.shared):
            await asyncio.to_thread(shutil.rmtree, logs, ignore_errors=True)
            await self.prune()

    async def prune(self) -> None:
        """Throw away what no fleet uses, but for the latest, and of these what is old."""
        async with self._prunes:  # two at once would look for what the other takes away
            if self.shared or self.shut:
                return
            kept, before = self._kept, time.time() - self._kept.age.total_seconds()
            fleets = [fleet for tenant in self._tenants for fleet in tenant.fleets]
            environments = {fleet.environment_key for fleet in fleets}
            assets = {name for fleet in fleets for name in fleet.assets_in_use}
            prune = self.environments.prune
            await asyncio.to_thread(prune, environments, kept.environments, before)
            await asyncio.to_thread(self.assets.prune, assets, kept.assets, before)

    async def _prune_from_time_to_time(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE)
            try:
                await self.prune()
            except OSError as error:
                _log.warning("What nobody uses below %s was not pruned: %s", self._folder, error)

    def _take(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = _locked(self._folder / "host.lock")
        self.sockets.sweep()
        self.environments.sweep()
        self.assets.sweep()
        self.outputs.sweep()
        self.logs.mkdir(exist_ok=True)
        for folder in self.logs.iterdir():
            if folder.stat().st_mtime < time.time() - _KEPT_LOGS:
                shutil.rmtree(folder, ignore_errors=True)


def _locked(path: Path) -> int:
    """Held for as long as this process lives, however it ends. Raises Unavailable."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Unavailable(f"Another host runs models below {path.parent}.") from None
    return handle


def _folder_name(key: str) -> str:
    """Readable and unique, whatever the key's characters."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", key)[:60].strip(".")
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
