"""The instances of one revision of a workload, from its environment's build to their end."""

import asyncio
import dataclasses
import hashlib
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import DomainError, StorageFull, Throttled, Unavailable
from domain.ports import Observation, Workload, WorkloadKind, WorkloadState
from infra.compute.local.failure import StartFailure
from infra.compute.local.files.environments import Environments, key_of
from infra.compute.local.files.fetched_files import Assets
from infra.compute.local.files.outputs import Outputs
from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.launch import Launch, launches_of
from infra.compute.local.serving.supervised_instance import (
    InstanceState,
    Lease,
    SupervisedInstance,
    Surroundings,
)

_log = logging.getLogger(__name__)

_DRAIN_MARGIN: Final = 2.0
_PAUSES: Final = (0.5, 2.0, 5.0)
"""Seconds before what a store would not give is asked for again."""


@dataclass(frozen=True)
class Workshop:
    """What a fleet is made with."""

    environments: Environments
    assets: Assets
    around: Surroundings
    runtime: Path
    outputs: Outputs


class Fleet:
    """`logs` is a folder for this fleet. `on_change` is called when `state` or the set of
    ready instances may have changed."""

    def __init__(
        self, workload: Workload, workshop: Workshop, logs: Path, on_change: Callable[[], None]
    ) -> None:
        self.workload = workload
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
    def revision(self) -> str:
        return self.workload.revision

    @property
    def environment_key(self) -> str:
        return key_of(self.workload.environment)

    def start(self) -> None:
        self._failure = None
        self._bringing_up = asyncio.create_task(
            self._bring_up(), name=f"bring up {self.workload.key}"
        )

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

    def give_up(self) -> None:
        """It has failed beside another that serves: let none of it run on."""
        if not self._given_up:
            self._given_up = True
            for instance in self.instances:
                self._retire(instance, 0)

    def scale(self, count: int) -> None:
        """Start instances, or drain the last ones."""
        if count == self.workload.instance_count:
            return
        self.workload = dataclasses.replace(self.workload, instance_count=count)
        if self._launches is None:
            return
        while len(self.instances) > self.processes:
            self._retire(self.instances.pop(), self.drain_grace)
        for number in range(len(self.instances), self.processes):
            self._add_instance(number, self._launches)
        self._on_change()

    @property
    def is_prepared(self) -> bool:
        """Whether its environment is built and its files are here: instances can start."""
        return self._launches is not None

    def grow(self, count: int) -> None:
        """BATCH: start instances until there are `count`."""
        if self._launches is None or count <= len(self.instances):
            return
        self.workload = dataclasses.replace(self.workload, instance_count=count)
        while len(self.instances) < count:
            # Never a number twice: each has a log of its own, which goes when it does.
            self._add_instance(next(self._numbers), self._launches)

    def drop(self, instance: SupervisedInstance, grace: float) -> None:
        """BATCH: one instance less, and not another in its place."""
        self.instances.remove(instance)
        self.workload = dataclasses.replace(self.workload, instance_count=len(self.instances))
        self._retire(instance, grace, with_log=True)

    @property
    def retiring(self) -> set[asyncio.Task[None]]:
        """Instances that are being ended."""
        return set(self._retiring)

    def mark(self, line: str) -> None:
        """Note `line` in every instance's log."""
        for instance in self.instances:
            instance.log.note(line)

    async def is_stale(self) -> bool:
        """Whether the store has other files by now than it runs from."""
        sources = (self.workload.code, self.workload.model)
        now = {await self._workshop.assets.name_of(each) for each in sources if each is not None}
        return now != self.assets_in_use

    @property
    def processes(self) -> int:
        """How many are wanted: each instance has so many workers."""
        return self.workload.instance_count * self.workload.workers

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

    @property
    def drain_grace(self) -> float:
        """Seconds that a request in flight may still need."""
        return self.workload.request_timeout.total_seconds() + _DRAIN_MARGIN

    async def stop(self, grace: float) -> None:
        """Drain every instance; nothing is left afterwards."""
        if self._bringing_up is not None:
            self._bringing_up.cancel()
            await asyncio.gather(self._bringing_up, return_exceptions=True)
        await asyncio.gather(*(each.stop(grace) for each in self.instances), *self._retiring)

    @property
    def ready(self) -> Sequence[SupervisedInstance]:
        return [each for each in self.instances if each.state is InstanceState.READY]

    @property
    def failure(self) -> StartFailure | None:
        """Why it has failed. A batch job goes on with the workers it has left."""
        if self._failure is not None:
            return self._failure
        failed = [each.failure for each in self.instances if each.failure is not None]
        if not failed:
            return None
        batch = self.workload.kind is WorkloadKind.BATCH
        return failed[0] if not batch or len(failed) == len(self.instances) else None

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

    def observation(self, *, serving: bool) -> Observation:
        failure = self.failure
        return Observation(
            revision=self.revision,
            state=self.state,
            ready=len(self.ready) // self.workload.workers,
            wanted=self.workload.instance_count,
            serving=serving,
            code=failure.code if failure else None,
            reason=failure.reason if failure else None,
        )

    def lease(self) -> Lease | None:
        """An idle, ready worker."""
        for instance in self.instances:
            lease = instance.lease()
            if lease is not None:
                return lease
        return None

    def log_tail(self, lines: int, since: str | None = None) -> str:
        """The last lines of every instance, under its name if there are several; no earlier
        ones than the mark `since`, where there is such a mark."""
        tails = {each.id: _after(each.log.tail(lines), since) for each in self.instances}
        if len(tails) == 1:
            return next(iter(tails.values()))
        return "\n".join(f"==> {name} <==\n{tail}" for name, tail in tails.items() if tail)

    async def _bring_up(self) -> None:
        try:
            launches = await self._prepared()
        except StartFailure as failure:
            self._failure = failure
        except (OSError, DomainError) as error:
            # A full disk or a store that is away: said, and tried again by the next ensure.
            self._failure = StartFailure("ResourceNotReady", f"It cannot be prepared: {error}.")
        except Exception as error:  # a fault of ours must show, not look like a slow build
            _log.exception("%s cannot be brought up", self.workload.key)
            self._failure = StartFailure("InternalServerError", f"Preparing it failed: {error!r}")
        else:
            self._launches = launches
            for number in range(self.processes):
                self._add_instance(number, launches)
        self._on_change()

    async def _prepared(self) -> tuple[Launch, ...]:
        """Waits out faults of a store that pass within seconds."""
        for pause in _PAUSES:
            try:
                return await self._prepare()
            except StorageFull:
                raise
            except (Unavailable, Throttled) as error:
                _log.warning("%s is prepared again soon: %s", self.workload.key, error)
                await asyncio.sleep(max(pause, min(error.retry_after, _PAUSES[-1])))
        return await self._prepare()

    async def _prepare(self) -> tuple[Launch, ...]:
        workload, workshop = self.workload, self._workshop
        virtual_environment = await workshop.environments.ensure(workload.environment)
        code = await workshop.assets.ensure(workload.code)
        self.assets_in_use.add(code.folder.name)
        model = None
        if workload.model is not None:
            model = await workshop.assets.ensure(workload.model)
            self.assets_in_use.add(model.folder.name)
        return await asyncio.to_thread(
            launches_of,
            workload,
            runtime=workshop.runtime,
            virtual_environment=virtual_environment,
            code=code,
            model=model,
            outputs=workshop.outputs,
        )

    def _add_instance(self, number: int, launches: tuple[Launch, ...]) -> None:
        instance_number, worker = divmod(number, len(launches))
        place = f"{instance_number}.{worker}" if len(launches) > 1 else f"{number}"
        name = self.workload.key.rpartition("/")[2]
        tag = hashlib.sha256(self.revision.encode()).hexdigest()[:6]
        instance = SupervisedInstance(
            f"{name}-{tag}-{place}",
            launches[worker],
            InstanceLog(self.logs / f"{place}.log"),
            self._workshop.around,
            self._on_change,
        )
        self.instances.append(instance)
        instance.start()


def _after(text: str, mark: str | None) -> str:
    if mark is None:
        return text
    _, found, rest = text.rpartition(f"{mark}\n")
    return rest if found else "" if text.endswith(mark) else text
