"""The processes that run one program, from its environment's build to their end."""

import asyncio
import dataclasses
import hashlib
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

from domain.errors import DomainError, StorageFull, Throttled, Unavailable
from domain.ports import Program, WorkloadState
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Assets
from infra.compute.identity_lending import holder_of
from infra.compute.local.files.environments import Environments
from infra.compute.local.instances.instance_story import InstanceStory
from infra.compute.local.instances.launch import Launch, Prepared
from infra.compute.local.instances.life_meter import Payer
from infra.compute.local.instances.supervised_instance import (
    InstanceState,
    SupervisedInstance,
    Surroundings,
)
from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.printed_lines import Line

_log = logging.getLogger(__name__)

_MOST_TEXT: Final = 1024 * 1024

PAUSES: Final = (0.5, 2.0, 5.0)
"""Seconds before what a store would not give is asked for again."""


_PAUSED: Final = StartFailure("ResourceNotReady", "Another host takes over from this one.")


@dataclass(frozen=True)
class Workshop:
    """What a fleet is made with."""

    environments: Environments
    assets: Assets
    around: Surroundings
    runtime: Path


@dataclass(frozen=True)
class FleetPlan:
    """What a fleet runs. `launches` are those of one instance, in turn: as many processes are
    one. Processes have `drain_grace` seconds for requests in flight when there are to be fewer.
    A fleet that `goes_on` has failed only when all of its processes have. `about` says in the
    host's log whose it is; a `warning`, where there is one, stands in the log of each process
    that begins. `payer` is who has its processes."""

    key: str
    revision: str
    program: Program
    processes: int
    launches: Callable[[Prepared], tuple[Launch, ...]]
    drain_grace: float
    about: Mapping[str, object]
    payer: Payer
    goes_on: bool = False
    warning: Callable[[], str | None] = lambda: None


class Fleet:
    """`logs` is a folder for this fleet. `on_change` is called when `state` or the set of
    ready instances may have changed."""

    def __init__(
        self, plan: FleetPlan, workshop: Workshop, logs: Path, on_change: Callable[[], None]
    ) -> None:
        self.plan = plan
        self.logs = logs
        self.instances: list[SupervisedInstance] = []
        self.assets_in_use: set[str] = set()
        self._workshop = workshop
        self._on_change = on_change
        self._launches: tuple[Launch, ...] | None = None
        self._failure: StartFailure | None = None
        self._bringing_up: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._given_up = False
        self._numbers = itertools.count()

    @property
    def environment_key(self) -> str:
        return self._workshop.environments.key_of(self.plan.program.environment)

    @property
    def _tag(self) -> str:
        return hashlib.sha256(self.plan.revision.encode()).hexdigest()[:6]

    @property
    def _about(self) -> Mapping[str, object]:
        """For lines of the log."""
        return {**self.plan.about, "revision": self._tag}

    @property
    def processes(self) -> int:
        """How many are wanted."""
        return self.plan.processes

    def start(self) -> None:
        self._failure = None
        self._bringing_up = asyncio.create_task(self._bring_up(), name=f"bring up {self.plan.key}")

    def refuse(self, failure: StartFailure) -> None:
        """Start nothing more, and say why."""
        self._failure = failure

    def revive(self) -> None:
        """Try again whatever has failed."""
        if self.failure is None:
            return
        if self._launches is None:
            self.start()
        self._failure = None
        for instance in self.instances:
            if instance.state is InstanceState.FAILED:
                instance.start()

    async def pause(self) -> None:
        """What is not prepared yet is not prepared on, until it is revived."""
        if self._launches is None and self._bringing_up is not None:
            self._bringing_up.cancel()
            await asyncio.gather(self._bringing_up, return_exceptions=True)
            self._failure = self._failure or _PAUSED

    def give_up(self) -> None:
        """It has failed beside another that serves: let none of it run on."""
        if not self._given_up:
            self._given_up = True
            for instance in self.instances:
                self._retire(instance, 0)

    def scale(self, processes: int) -> None:
        """Start processes, or drain the last ones."""
        if processes == self.processes:
            return
        self._want(processes)
        if self._launches is None:
            return
        while len(self.instances) > self.processes:
            self._retire(self.instances.pop(), self.plan.drain_grace)
        for number in range(len(self.instances), self.processes):
            self._add_instance(number, self._launches)
        self._on_change()

    @property
    def is_prepared(self) -> bool:
        """Whether its environment is built and its files are here: instances can start."""
        return self._launches is not None

    def grow(self, count: int) -> None:
        """Start processes until there are `count`, each with a number of its own."""
        if self._launches is None or count <= len(self.instances):
            return
        self._want(count)
        while len(self.instances) < count:
            # Never a number twice: each has a log of its own, which goes when it does.
            self._add_instance(next(self._numbers), self._launches)

    def drop(self, instance: SupervisedInstance, grace: float) -> None:
        """One process less, and not another in its place."""
        self.instances.remove(instance)
        self._want(len(self.instances))
        self._retire(instance, grace, with_log=True)

    def _want(self, processes: int) -> None:
        self.plan = dataclasses.replace(self.plan, processes=processes)

    @property
    def retiring(self) -> set[asyncio.Task[None]]:
        """Instances that are being ended."""
        return set(self._retiring)

    def mark(self, line: str) -> None:
        """Note `line` in every instance's log."""
        for instance in self.instances:
            instance.log.note(line)

    def _retire(
        self, instance: SupervisedInstance, grace: float, *, with_log: bool = False
    ) -> None:
        async def retire() -> None:
            await instance.stop(grace)
            if with_log:
                await asyncio.to_thread(instance.log.remove)

        task = asyncio.create_task(retire())
        self._retiring.add(task)
        task.add_done_callback(self._retired)

    def _retired(self, task: asyncio.Task[None]) -> None:
        self._retiring.discard(task)
        self._on_change()

    async def stop(self, grace: float) -> None:
        """Drain every instance; nothing is left afterwards."""
        # It is run from until then, and nobody else may say so any more.
        environments, spec = self._workshop.environments, self.plan.program.environment
        await asyncio.to_thread(environments.touch, spec)
        if self._bringing_up is not None:
            self._bringing_up.cancel()
            await asyncio.gather(self._bringing_up, return_exceptions=True)
        await asyncio.gather(*(each.stop(grace) for each in self.instances), *self._retiring)

    @property
    def ready(self) -> Sequence[SupervisedInstance]:
        return [each for each in self.instances if each.state is InstanceState.READY]

    @property
    def failure(self) -> StartFailure | None:
        """Why it has failed."""
        if self._failure is not None:
            return self._failure
        failed = [each.failure for each in self.instances if each.failure is not None]
        if not failed:
            return None
        goes_on = self.plan.goes_on and len(failed) < len(self.instances)
        return None if goes_on else failed[0]

    @property
    def state(self) -> WorkloadState:
        if self.failure is not None:
            return WorkloadState.FAILED
        if self._launches is None:
            return WorkloadState.BUILDING
        lost = sum(each.state is InstanceState.FAILED for each in self.instances)
        if len(self.ready) + lost >= self.processes:
            return WorkloadState.READY
        return WorkloadState.STARTING

    def log_lines(self, count: int) -> str:
        """The last lines that the instances printed, in order of time: when, which of them and
        for which request stands before each. At most 1 MiB."""
        streams = [_stream(each.id, each.log.lines(count)) for each in self.instances]
        lines: deque[str] = deque()
        room = _MOST_TEXT
        for _, line in list(heapq.merge(*streams, key=itemgetter(0)))[: -count - 1 : -1]:
            room -= len(line) + 1
            if room < 0:
                break
            lines.appendleft(line)
        return "\n".join(lines)

    def log_tail(self, lines: int, since: str | None = None) -> str:
        """The last lines of every instance, under its name if there are several; no earlier
        ones than the mark `since`, where there is such a mark."""
        tails = {each.id: _after(each.log.tail(lines), since) for each in self.instances}
        if len(tails) == 1:
            return next(iter(tails.values()))
        return "\n".join(f"==> {name} <==\n{tail}" for name, tail in tails.items() if tail)

    async def _bring_up(self) -> None:
        about = {"action": "workload_building", **self._about}
        _log.info("%s is being prepared: its environment and files", self.plan.key, extra=about)
        try:
            launches = await self._prepared()
        except StartFailure as failure:
            self._failure = failure
        except (OSError, DomainError) as error:
            # A full disk or a store that is away: said, and tried again by the next ensure.
            self._failure = StartFailure("ResourceNotReady", f"It cannot be prepared: {error}.")
        except Exception as error:  # a fault of ours must show, not look like a slow build
            _log.exception("%s cannot be brought up", self.plan.key)
            self._failure = StartFailure("InternalServerError", f"Preparing it failed: {error!r}")
        else:
            self._launches = launches
            about = {"action": "workload_prepared", **self._about}
            _log.info("%s is prepared: it can be started", self.plan.key, extra=about)
            for number in range(self.processes):
                self._add_instance(number, launches)
        self._on_change()

    async def _prepared(self) -> tuple[Launch, ...]:
        """Waits out faults of a store that pass within seconds."""
        for pause in PAUSES:
            try:
                return await self._prepare()
            except StorageFull:
                raise
            except (Unavailable, Throttled) as error:
                _log.warning("%s is prepared again soon: %s", self.plan.key, error)
                await asyncio.sleep(max(pause, min(error.retry_after, PAUSES[-1])))
        return await self._prepare()

    async def _prepare(self) -> tuple[Launch, ...]:
        program, workshop = self.plan.program, self._workshop
        virtual_environment = await workshop.environments.ensure(program.environment)
        if program.code is None:
            raise StartFailure("BadArgument", "A server of one's own runs in containers alone.")
        code = await workshop.assets.ensure(program.code)
        self.assets_in_use.add(code.folder.name)
        model = None
        needed = [virtual_environment, code.folder]
        if program.model is not None:
            model = await workshop.assets.ensure(program.model)
            self.assets_in_use.add(model.folder.name)
            needed.append(model.folder)
        isolation = workshop.around.isolation
        fault = await asyncio.to_thread(isolation.closing_fault) if program.closed else None
        if fault is not None:
            raise StartFailure("ResourceNotReady", fault)
        identity = await isolation.identities.lent(holder_of(program), self.plan.key)
        await asyncio.to_thread(isolation.admit, *needed, *identity.readable)
        prepared = Prepared(
            self.plan.key, program, workshop.runtime, virtual_environment, code, model, identity
        )
        return await asyncio.to_thread(self.plan.launches, prepared)

    def _add_instance(self, number: int, launches: tuple[Launch, ...]) -> None:
        instance_number, worker = divmod(number, len(launches))
        place = f"{instance_number}.{worker}" if len(launches) > 1 else f"{number}"
        name = self.plan.key.rpartition("/")[2]
        id = f"{name}-{self._tag}-{place}"
        instance = SupervisedInstance(
            id,
            launches[worker],
            InstanceLog(self.logs / f"{place}.log"),
            self._workshop.around,
            self._on_change,
            InstanceStory(id, self._about),
            self.plan.payer,
        )
        self.instances.append(instance)
        if (warning := self.plan.warning()) is not None:
            instance.log.note(warning)
        instance.start()


def _stream(instance: str, lines: Iterable[Line]) -> Iterator[tuple[str, str]]:
    """A line that says an earlier time than the one before stays after it."""
    latest = ""
    for line in lines:
        latest = max(latest, line.time)
        yield latest, f"{line.time} {instance} {line.request} {line.text}"


def _after(text: str, mark: str | None) -> str:
    if mark is None:
        return text
    _, found, rest = text.rpartition(f"{mark}\n")
    return rest if found else "" if text.endswith(mark) else text
