"""One model's process: started, watched, started again when it dies, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..door.asking import Lost, ask
from ..door.upstream import Way
from ..faults import NodeFailed
from ..logs import Log, Pump, plain, written_time
from ..spec import Probe
from ..time_limit import within
from . import kernel
from .children import Child, Children
from .deaths import Death, of_exit
from .launch import Launch
from .probes import (
    NeverReady,
    Unresponsive,
    until_ready,
    watch_liveness,
    watch_readiness,
    watch_silence,
)

MAX_DEATHS = 5
STABLE = 60.0
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_WORDS = 30
_NEVER = "init() has not come to its end"
_LAST_WORDS = 1.0


class Ground(NamedTuple):
    """What the workers of a node share. `folder` is for sockets and scratch."""

    children: Children
    pump: Pump
    log: Log
    folder: str
    liveness: Probe
    readiness: Probe
    inherited: tuple[int, ...] = ()


class LastDeath(NamedTuple):
    worker: int
    time: str
    reason: str


class Worker:
    """Runs from `start` to `stop`, or until it has `failure`: dead more than 5 times without a
    minute of life in between, or hopeless. `share` requests at a time are its. `changed` is
    called when `ready` or `failure` may have changed."""

    def __init__(
        self,
        number: int,
        launch: Launch,
        ground: Ground,
        changed: Callable[[], None],
        *,
        share: int,
    ) -> None:
        self.number = number
        self.share = share
        self.ready = False
        self.silent = False
        """Whether it answers nothing at present, though it is ready."""
        self.way: Way | None = None
        self.failure: NodeFailed | None = None
        self.last_death: LastDeath | None = None
        self.restarts = 0
        self._launch = launch
        self._ground = ground
        self._changed = changed
        self._child: Child | None = None
        self._killed: str | None = None
        self._trace = b""
        """What it died of last: that stands in the log once, however often it dies of it."""
        self._died: list[asyncio.Future[str]] = []
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name=f"worker {self.number}")

    def died(self) -> asyncio.Future[str]:
        """The reason of this life's end, when it comes. While somebody waits for it, it is at
        a unit, which is to blame; who waits no more cancels it."""
        end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._died = [each for each in self._died if not each.done()]
        self._died.append(end)
        return end

    def kill(self, reason: str) -> None:
        """It and all it has started; another takes its place at once, and nobody is blamed."""
        if self._child is not None and self._killed is None:
            self._killed = reason
            self._set_ready(False)
            self._child.kill()

    def end(self) -> None:
        """Let it finish what it is at; it is not started again."""
        self._stopping.set()
        if self._child is not None:
            self._child.end()

    async def stop(self) -> None:
        """It has ended, at the latest now."""
        self._stopping.set()
        if self._child is not None:
            self._child.kill()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def is_over(self) -> bool:
        """Whether there will be no life of it any more."""
        return self._task is None or self._task.done()

    async def over(self) -> None:
        """After `end`, once it has ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    # -- inside

    def _set_ready(self, ready: bool) -> None:
        ready = ready and self._killed is None
        if self.ready is not ready:
            self.ready = ready
            self._changed()

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            try:
                death, words = await self._live()
            except OSError as error:
                death, words = Death(f"It cannot be started: {error}."), ""
            watchers = [each for each in self._died if not each.done()]
            for each in watchers:
                each.set_result(death.reason)
            if self._stopping.is_set():
                return
            self.last_death = LastDeath(self.number, written_time(time.time()), death.reason)
            self.restarts += 1
            if self._killed is not None or watchers:
                self._note(f"{death.sentence} Another takes its place.")
                continue
            deaths = 1 if loop.time() - began >= STABLE else deaths + 1
            if death.final or deaths > MAX_DEATHS:
                self._note(f"{death.sentence} It is not started again.")
                self._fail(death, deaths, words)
                return
            backoff = min(_FIRST_BACKOFF * 2 ** (deaths - 1), _LONGEST_BACKOFF)
            self._note(
                f"{death.sentence} It is started again in {backoff:g} s "
                f"(death {deaths} of at most {MAX_DEATHS + 1} in a row)."
            )
            with contextlib.suppress(asyncio.TimeoutError):
                await within(self._stopping.wait(), backoff)

    def _note(self, text: str) -> None:
        self._ground.log.note(f"Process {self.number}: {text}")

    def _fail(self, death: Death, times: int, words: str) -> None:
        again = f"{death.sentence} It died {times} times in a row." if times > 1 else death.reason
        tail = f"\nThe end of its log:\n{words}" if words else ""
        self.failure = NodeFailed(death.code, f"{again}{tail}")
        self._changed()

    async def _live(self) -> tuple[Death, str]:
        """One life of the process: how it ended, and the end of what it said."""
        ground, launch = self._ground, self._launch
        self._killed = None
        place = os.path.join(ground.folder, f"{self.number}.{self.restarts}")
        scratch = f"{place}.tmp"
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        began, kills = time.time(), kernel.out_of_memory_kills()
        child = ground.children.begin(
            [*launch.command, "--socket", place],
            {**launch.environment, "TMPDIR": scratch},
            launch.folder,
            ground.inherited,
        )
        self._child = child
        printed = ground.pump.take(child.output, str(self.number))
        way = self.way = Way(asyncio.get_running_loop(), place)
        watch = asyncio.create_task(self._watch(way))
        loop = asyncio.get_running_loop()
        try:
            either: set[asyncio.Future[Any]] = {child.ended, watch}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._set_ready(False)
            child.kill()
            await loop.run_in_executor(None, printed.ended.wait, _LAST_WORDS)
            words = ground.log.since(began, str(self.number))
            death = self._explain(child, watch, words, kernel.out_of_memory_kills() > kills)
            trace = plain(death.trace)
            is_known = trace != b"" and trace == self._trace
            ground.log.forget(str(self.number), (death.trace if is_known else b"") + death.told)
            self._trace = trace
            said = plain(words.removesuffix(death.told) if death.told else words)
            return death, "\n".join(said.decode("utf-8", "replace").splitlines()[-_WORDS:])
        finally:
            watch.cancel()
            child.kill()
            self.way = None
            self._set_ready(False)
            way.close()
            await asyncio.wait({child.ended})
            await asyncio.gather(watch, return_exceptions=True)
            self._child = None
            shutil.rmtree(scratch, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.unlink(place)

    def _explain(
        self, child: Child, watch: asyncio.Task[None], words: bytes, out_of_memory: bool
    ) -> Death:
        if self._killed is not None:
            return Death(self._killed)
        if not watch.done():
            limit = kernel.memory_limit()
            status = child.ended.result()
            return of_exit(status, words, out_of_memory=out_of_memory, limit=limit)
        try:
            watch.result()
        except NeverReady as error:
            return Death(str(error), final=True)
        except Unresponsive as error:
            return Death(str(error))
        return Death("Nobody watches it any more.")

    async def _watch(self, way: Way) -> None:
        """Raises NeverReady and Unresponsive."""

        async def answers(timeout: float) -> bool:
            try:
                status, _ = await ask(way, "GET", "/", timeout=timeout)
            except Lost:
                return False
            return status == 200

        await until_ready(self._ground.readiness, answers, lambda: _NEVER)
        self._set_ready(True)
        others = [
            asyncio.create_task(each)
            for each in (
                watch_readiness(self._ground.readiness, answers, self._set_ready),
                watch_silence(lambda: way.in_flight > 0, answers, self._set_silent),
            )
        ]
        try:
            await watch_liveness(self._ground.liveness, answers)
        finally:
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            self.silent = False

    def _set_silent(self, silent: bool) -> None:
        self.silent = silent
        self._note("It answers nothing at present." if silent else "It answers again.")
