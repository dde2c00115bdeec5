"""One instance: a process that is started, watched, restarted when it dies, and drained."""

import asyncio
import contextlib
import logging
import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Never

from domain.ports import Instance, InstanceLost
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.instance_types import available_cores
from infra.compute.http.unix_http import UnixHttp
from infra.compute.local.cores import Cores
from infra.compute.local.instances.instance_story import InstanceStory
from infra.compute.local.instances.last_words import LastWords
from infra.compute.local.instances.launch import Launch
from infra.compute.local.instances.life_meter import LifeMeter, Payer, RunningLife
from infra.compute.local.instances.probes import NeverReadyError, Probes, UnresponsiveError
from infra.compute.local.isolation.cell import Cell
from infra.compute.local.isolation.isolation import Isolation
from infra.compute.local.isolation.lending import LendingDesk
from infra.compute.local.processes.death import Death, Memory, of_exit, out_of_memory
from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.process_groups import Group, ProcessGroups, resident_memory
from infra.compute.local.processes.script_files import (
    FileLimits,
    OutputFiles,
    ScriptFiles,
    TooManyFiles,
)
from infra.compute.local.processes.sockets import Sockets

_log = logging.getLogger(__name__)

MAX_DEATHS: Final = 5
STABLE: Final = 60.0
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 30.0
_LOOK: Final = 0.25
_LAST_WORDS: Final = 2.0
"""Seconds that a drained process has to end, however short the grace."""


@dataclass(frozen=True)
class Surroundings:
    """What every instance shares."""

    isolation: Isolation
    processes: ProcessGroups
    sockets: Sockets
    http: UnixHttp
    cores: Cores
    clock: Callable[[], float]
    """By which instances have the time that their probes give them."""
    files: FileLimits
    """What a script's files may take of the disk."""
    lives: LifeMeter


class InstanceState(StrEnum):
    STARTING = "Starting"
    READY = "Ready"
    FAILED = "Failed"
    ENDED = "Ended"


class Lease:
    """A worker taken by one unit. `died` has the reason if the worker ends meanwhile."""

    def __init__(self, instance: "SupervisedInstance", address: str) -> None:
        self.address = address
        self.desk = instance.desk
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.instance = instance
        self.on_release: Callable[[], object] = _nothing

    def kill(self, reason: str) -> None:
        """End the worker's whole process group; another process takes its place."""
        self.instance.kill(self, reason)

    def release(self) -> None:
        self.on_release()
        self.instance.release(self)


def _nothing() -> None: ...


class SupervisedInstance:
    """Runs from `start` to `stop`, or until it FAILED: dead more than 5 times without having
    been up for a minute, or hopeless. `on_change` is called when `state` may have changed."""

    def __init__(
        self,
        id: str,
        launch: Launch,
        log: InstanceLog,
        around: Surroundings,
        on_change: Callable[[], None],
        story: InstanceStory,
        payer: Payer,
    ) -> None:
        self.id = id
        self.log = log
        self.state = InstanceState.STARTING
        self.failure: StartFailure | None = None
        self.instance = Instance(id, "")
        self._launch = launch
        self._around = around
        self._on_change = on_change
        self._group: Group | None = None
        self._files: Sequence[ScriptFiles | OutputFiles] = ()
        self._cell: Cell | None = None
        self._lease: Lease | None = None
        self._free_since = asyncio.get_running_loop().time()
        self._killed: str | None = None
        self._was_ready = False
        self._peak = 0
        self._words = LastWords(log)
        self._story = story
        self._payer = payer
        self._life: RunningLife | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def process(self) -> int | None:
        """The id of its process, while it has one."""
        group = self._group
        return None if group is None else group.id

    @property
    def peak(self) -> int:
        """The most bytes of memory that its process was seen to use; 0 before the first look."""
        return self._peak

    @property
    def share(self) -> tuple[float, int]:
        """The cores, and the bytes of memory, that are its own."""
        return self._launch.cpu, self._launch.memory

    @property
    def desk(self) -> LendingDesk | None:
        """Where the files of a unit are lent to its process; None: it reads them where they
        are."""
        return None if self._cell is None else self._cell.desk

    def start(self) -> None:
        """(Again, after a failure.)"""
        self.failure = None
        self._stopping.clear()
        self._set(InstanceState.STARTING)
        self._task = asyncio.create_task(self._supervise(), name=f"instance {self.id}")

    def lease(self, key: str) -> Lease | None:
        """Take the worker for a unit of the job `key`, if it is ready and idle."""
        if self.state is not InstanceState.READY or self._lease or self._killed:
            return None
        self._lease = Lease(self, self.instance.address)
        if self._life is not None:
            self._life.works_for(key)
        return self._lease

    @property
    def idle_since(self) -> float:
        """When no unit had it any more, in the loop's time; infinity while one has."""
        return math.inf if self._lease is not None else self._free_since

    def release(self, lease: Lease) -> None:
        if self._lease is lease:
            self._lease = None
            self._free_since = asyncio.get_running_loop().time()
            if self._life is not None:
                self._life.rests()
        self._on_change()

    def kill(self, lease: Lease, reason: str) -> None:
        if self._lease is lease and self._group is not None:
            self._killed = reason
            self._set(InstanceState.STARTING)
            self._group.kill()

    async def stop(self, grace: float) -> None:
        """Take no more requests; end when those in flight have, at the latest after `grace`
        seconds."""
        if self.state is not InstanceState.FAILED:
            self._set(InstanceState.ENDED)
        self._stopping.set()
        task = self._task
        if task is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        address = self.instance.address
        # Someone may have chosen this instance just before and not yet sent.
        await asyncio.wait({task}, timeout=min(0.05, grace))
        in_flight = self._around.http.in_flight
        while in_flight(address) and loop.time() < deadline and not task.done():
            await asyncio.wait({task}, timeout=0.02)
        if self._group is not None and grace > 0:
            self._group.signal(signal.SIGTERM)
            left = max(deadline - loop.time(), _LAST_WORDS)
            await asyncio.wait({task}, timeout=left)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if self.state is InstanceState.ENDED:
            self._story.stopped()

    def _set(self, state: InstanceState) -> None:
        if self.state is not state:
            self.state = state
            self._on_change()

    async def _supervise(self) -> None:
        try:
            await self._run()
        except Exception as error:  # a fault of ours must show, not look like a slow start
            _log.exception("instance %s is no longer supervised", self.id)
            self.failure = StartFailure("InternalServerError", f"Supervising it failed: {error!r}")
            self._set(InstanceState.FAILED)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        if self._launch.cpu > available_cores():
            asked = f"{self._launch.cpu:g} cores were asked for"
            self.log.note(f"{asked}; this machine has {available_cores()}.")
        while not self._stopping.is_set():
            began = loop.time()
            try:
                death, blamed_on_unit = await self._live()
            except OSError as error:
                death, blamed_on_unit = Death(f"It cannot be started: {error}."), False
            if self._stopping.is_set():
                return
            words = await asyncio.to_thread(self._words.end, death)
            if loop.time() - began >= STABLE:
                deaths = 0
            if blamed_on_unit:
                self.log.note(death.reason)
                self._story.died(death.reason, 0.0)
                continue
            deaths += 1
            if death.final or deaths > MAX_DEATHS:
                self.log.note(f"{death.sentence} It is not started again.")
                self._story.died(death.reason, None)
                self.failure = death.failure(deaths, words)
                self._set(InstanceState.FAILED)
                return
            backoff = min(_FIRST_BACKOFF * 2 ** (deaths - 1), _LONGEST_BACKOFF)
            self.log.note(
                f"{death.sentence} It is started again in {backoff:g} s "
                f"(death {deaths} of at most {MAX_DEATHS + 1} in a row)."
            )
            self._story.died(death.reason, backoff)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff):
                    await self._stopping.wait()

    async def _live(self) -> tuple[Death, bool]:
        """One life of the process: how it ended, and whether a unit ran meanwhile."""
        around, launch = self._around, self._launch
        socket = around.sockets.new()
        cores = around.cores.take(launch.cpu)
        try:
            scratch = around.sockets.scratch(socket)
            cell = await self._new_cell(scratch, socket, cores)
            try:
                return await self._live_in(cell, socket, cores)
            finally:
                await asyncio.shield(asyncio.to_thread(cell.close))
        finally:
            around.cores.give_back(cores)
            around.sockets.remove(socket)

    async def _new_cell(self, place: Path, socket: Path, cores: frozenset[int]) -> Cell:
        isolation, launch = self._around.isolation, self._launch
        making = asyncio.create_task(
            asyncio.to_thread(isolation.cell, launch, place, socket, cores)
        )
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            # It is made all the same, with descriptors, a group and a user that nobody else
            # would give back.
            await asyncio.wait({making})
            if making.exception() is None:
                await asyncio.to_thread(making.result().close)
            raise

    async def _live_in(self, cell: Cell, socket: Path, cores: frozenset[int]) -> tuple[Death, bool]:
        around, address = self._around, str(socket)
        output = self.log.open()
        self._words.begin()
        try:
            group = await around.processes.spawn(
                cell.command,
                environment=cell.environment,
                cwd=self._launch.folder,
                output=output,
                passed=cell.passed,
            )
        finally:
            os.close(output)
            cell.entered()
        around.cores.pin(group.id, cores)
        self._cell = cell
        self._killed = None
        self._was_ready, self._peak = False, 0
        self._group = group
        self._files = around.files.watches(cell.home, group.id, self._launch.writable)
        self._story.started(group.id)
        self._life = around.lives.begin(self._payer)
        self.instance = Instance(f"{self.id}-{socket.stem}", address)
        ended = asyncio.create_task(group.process.wait())
        try:
            return await self._until_death(group, address, ended)
        finally:
            group.kill()
            await asyncio.shield(ended)
            self._life.end()
            self._life = None
            self._group = None
            around.processes.end(group)
            around.http.forget(address)
            self._end_lease("The worker was taken away.")

    async def _until_death(
        self, group: Group, address: str, ended: asyncio.Task[int]
    ) -> tuple[Death, bool]:
        async def answers(timeout: float) -> bool:
            try:
                answer = await self._around.http.request(address, "GET", "/", timeout=timeout)
            except (InstanceLost, TimeoutError):
                return False
            return answer.status == 200

        def probed(ready: bool) -> None:
            self._story.answers(ready)
            set_ready(ready)

        def set_ready(ready: bool) -> None:
            self._was_ready = self._was_ready or ready
            if not self._stopping.is_set() and not (ready and self._killed):
                self._set(InstanceState.READY if ready else InstanceState.STARTING)

        clock = self._around.clock
        probes = Probes(self._launch.liveness, self._launch.readiness, answers, probed, clock)
        probing = asyncio.create_task(probes.run())
        looking = asyncio.create_task(self._look(group))
        watches = (probing, looking)
        try:
            await asyncio.wait({ended, *watches}, return_when=asyncio.FIRST_COMPLETED)
            set_ready(False)  # Explaining takes a while.
            death = await self._explain(ended, probing if probing.done() else looking)
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            set_ready(False)
        blamed_on_unit = self._lease is not None or self._killed is not None
        self._end_lease(death.reason)
        return death, blamed_on_unit

    async def _explain(self, ended: asyncio.Task[int], watch: asyncio.Task[Never]) -> Death:
        """`watch` is over, or `ended` is."""
        if self._killed is not None:
            return Death(self._killed)
        if ended.done():
            if ended.result() == -signal.SIGKILL and self._cell and self._cell.out_of_memory:
                self._peak = max(self._peak, self._launch.memory)
                return out_of_memory(self._memory, was_ready=self._was_ready)
            words = await asyncio.to_thread(self._words.all)
            return of_exit(ended.result(), words, self._memory if self._peak else None)
        try:
            watch.result()
        except TooManyFiles as error:
            return Death(str(error), final=not self._was_ready)
        except NeverReadyError as error:
            return Death(str(error), final=True)
        except UnresponsiveError as error:
            return Death(str(error))
        except MemoryError:
            return out_of_memory(self._memory, was_ready=self._was_ready)

    def _end_lease(self, reason: str) -> None:
        lease, self._lease = self._lease, None
        self._free_since = asyncio.get_running_loop().time()
        if lease is not None and not lease.died.done():
            lease.died.set_result(reason)

    async def _look(self, group: Group) -> Never:
        """Keep the log bounded; raise MemoryError or TooManyFiles when the instance uses too
        much."""
        every_other = False
        while True:
            await asyncio.sleep(_LOOK)
            self.log.look()
            if self.log.is_over():
                await asyncio.to_thread(self.log.cut)
            for files in self._files:
                await files.look()
            every_other = not every_other
            used = resident_memory(group.id) if every_other and self._launch.memory else None
            self._peak = max(self._peak, used or 0)
            if self._peak > self._launch.memory:
                raise MemoryError

    @property
    def _memory(self) -> Memory:
        return Memory(self._peak, self._launch.memory)
