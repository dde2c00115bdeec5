"""Online deployments on this machine: every instance is a local process, or several."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from domain.ports import (
    Instance,
    InstanceSize,
    LogKind,
    Serving,
    ServingObservation,
    ServingWorkload,
    WorkloadState,
)
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.owners import owner_of
from infra.compute.ground.room import Portion, Room
from infra.compute.local.endings import Endings
from infra.compute.local.instances.fleet import Fleet, FleetPlan
from infra.compute.local.instances.life_meter import Payer
from infra.compute.local.instances.supervised_instance import SupervisedInstance
from infra.compute.local.premises import Premises
from infra.compute.local.serving.deployment_portions import DeploymentPortions
from infra.compute.local.serving.serving_launches import serving_launches
from infra.compute.local.serving.slot import Revision, Slot

_CLOSE_GRACE: Final = 3.0
_DRAIN_MARGIN: Final = 2.0
_QUICK: Final = 0.5


class LocalServing(Serving):
    """`room` is what this machine has, of which batch jobs have `busy` now. What is wanted is
    held in memory alone: after a restart of the host its processes are gone and it is to be
    asked again."""

    def __init__(self, premises: Premises, *, room: Room, busy: Callable[[], Portion]) -> None:
        self._premises = premises
        self._slots: dict[str, Slot] = {}
        self._portions = DeploymentPortions(self._slots, room, busy)
        self._endings = Endings()
        self._others: Mapping[str, Sequence[Instance]] = {}
        self._is_followed = False
        self.expected: set[str] = set()
        """Keys that another host still serves for this one."""
        premises.let_to(self)

    @property
    def fleets(self) -> list[Fleet]:
        return [fleet for slot in self._slots.values() for fleet in slot.fleets]

    def close(self) -> set[asyncio.Task[None]]:
        """What ends everything."""
        for key in list(self._slots):
            self._end_slot(key, _CLOSE_GRACE)
        return self._endings.tasks

    # -- Serving

    async def ensure(self, workload: ServingWorkload) -> ServingObservation:
        if self._is_followed:
            return await self.observe(workload.key) or _on_its_way(workload)
        await self._premises.enter()
        slot = self._slots.get(workload.key)
        if slot is None:
            logs = self._premises.logs_of(workload.key)
            slot = Slot(logs, self._new(workload, logs))
            self._slots[workload.key] = slot
            self._begin(slot.current)
        elif slot.newest.workload.revision == workload.revision:
            self._adjust(slot, workload)
        elif slot.next is not None and slot.current.workload.revision == workload.revision:
            self._retire(workload.key, slot.next)
            slot.next = None
            self._adjust(slot, workload)
        else:
            self._roll_out(slot, workload)
        self._changed(workload.key)
        return slot.observation

    async def observe(self, key: str) -> ServingObservation | None:
        slot = self._slots.get(key)
        if slot is None:
            return None
        if self._is_followed and not slot.instances:
            return _on_its_way(slot.newest.workload)
        return slot.observation

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        self.expected.discard(key)
        if key in self._slots:
            self._end_slot(key, grace.total_seconds())
        return await self._endings.over(key, within=_QUICK) and key not in self._slots

    async def keys(self) -> Sequence[str]:
        return sorted({*self._endings.keys, *self._slots})

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        slot = self._slots.get(key)
        if slot is None:
            return ""
        if kind is LogKind.STORAGE_INITIALIZER:
            log = self._premises.environments.log(slot.newest.workload.program.environment)
            return await asyncio.to_thread(log.tail, tail)
        return await asyncio.to_thread(slot.newest.fleet.log_lines, tail)

    def instances(self, key: str) -> Sequence[Instance]:
        if (others := self._others.get(key)) is not None:
            return others
        slot = self._slots.get(key)
        return slot.instances if slot else ()

    async def refresh(self, keys: Sequence[str]) -> None:
        """This host runs them: it knows."""

    # -- beside another host

    async def be_followed(self) -> None:
        """Another host starts what is asked for from now on. What takes requests here goes on
        doing so; what is not prepared is not prepared on."""
        self._is_followed = True
        for fleet in self.fleets:
            await fleet.pause()

    def be_followed_no_more(self) -> None:
        self._is_followed = False
        for fleet in self.fleets:
            fleet.revive()

    def use(self, others: Mapping[str, Sequence[Instance]]) -> None:
        """Of these keys another host's instances take the requests."""
        self._others = others

    def own(self) -> Mapping[str, Sequence[Instance]]:
        """This host's own instances that take requests; of `expected` keys once they are as
        many as are wanted, for the other host has as many."""
        return {
            key: slot.instances
            for key, slot in self._slots.items()
            if slot.instances and (key not in self.expected or slot.is_whole)
        }

    # -- what others on this machine need

    @property
    def taken(self) -> Portion:
        """What deployments have of the machine."""
        return self._portions.of_all()

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """Why a deployment cannot have so many, in the place of those that it has."""
        return self._portions.shortage(key, size, instances, workers)

    def running(self) -> list[tuple[str, SupervisedInstance]]:
        """Every instance, with its workload's key. Any thread may ask."""
        return [
            (key, instance)
            for key, slot in list(self._slots.items())
            for fleet in slot.fleets
            for instance in list(fleet.instances)
        ]

    # -- inside

    def _new(self, workload: ServingWorkload, logs: Path) -> Revision:
        folder = logs / hashlib.sha256(workload.revision.encode()).hexdigest()[:16]
        plan = FleetPlan(
            key=workload.key,
            revision=workload.revision,
            program=workload.program,
            processes=workload.instance_count * workload.workers,
            launches=lambda prepared: serving_launches(workload, prepared),
            drain_grace=workload.request_timeout.total_seconds() + _DRAIN_MARGIN,
            about=owner_of(workload.key),
            payer=Payer(lambda: workload.key, 1 / workload.workers),
            warning=self._portions.warning,
        )
        workshop = self._premises.workshop
        fleet = Fleet(plan, workshop, folder, lambda: self._changed(workload.key))
        return Revision(workload, fleet)

    def _begin(self, revision: Revision) -> None:
        lacking = self._portions.lacking(revision.fleet, revision.workload)
        if lacking is not None:
            revision.fleet.refuse(StartFailure("OutOfQuota", lacking))
        else:
            revision.fleet.start()

    def _adjust(self, slot: Slot, workload: ServingWorkload) -> None:
        """The revision that is there already: its instance count, and another try if it has
        failed."""
        newest, lacking = slot.newest, None
        grows = workload.instance_count * workload.workers > newest.fleet.processes
        if grows or newest.fleet.failure is not None:
            # What was let in and is not to grow is asked nothing, whatever it is measured to use.
            lacking = self._portions.lacking(newest.fleet, workload)
        if lacking is not None:
            newest.fleet.refuse(StartFailure("OutOfQuota", lacking))
        elif newest is slot.next and newest.fleet.state is WorkloadState.FAILED:
            self._roll_out(slot, workload)
        else:
            count = workload.instance_count
            newest.workload = replace(newest.workload, instance_count=count)
            newest.fleet.scale(count * workload.workers)
            newest.fleet.revive()

    def _roll_out(self, slot: Slot, workload: ServingWorkload) -> None:
        key = workload.key
        if slot.next is not None:
            self._retire(key, slot.next)
            slot.next = None
        revision = self._new(workload, slot.logs)
        if slot.current.fleet.ready:
            slot.next = revision
        else:
            # It serves nobody: there is nothing to protect.
            self._retire(key, slot.current)
            slot.current = revision
        self._begin(revision)

    def _changed(self, key: str) -> None:
        slot = self._slots.get(key)
        if slot is not None:
            if slot.next is not None and slot.next.fleet.state is WorkloadState.READY:
                old, slot.current, slot.next = slot.current, slot.next, None
                self._retire(key, old)
            elif slot.next is not None and slot.next.fleet.state is WorkloadState.FAILED:
                slot.next.fleet.give_up()
            slot.instances = tuple(each.instance for each in slot.current.fleet.ready)
            slot.served = slot.served or bool(slot.instances)

    def _retire(self, key: str, revision: Revision) -> None:
        fleet = revision.fleet

        async def retire() -> None:
            await fleet.stop(fleet.plan.drain_grace)
            slot = self._slots.get(key)
            if slot is None or all(each.logs != fleet.logs for each in slot.fleets):
                await asyncio.to_thread(shutil.rmtree, fleet.logs, ignore_errors=True)
            await self._premises.prune()

        self._endings.begin(key, retire())

    def _end_slot(self, key: str, grace: float) -> None:
        slot = self._slots.pop(key)

        async def end() -> None:
            await asyncio.gather(*(fleet.stop(grace) for fleet in slot.fleets))
            if key not in self._slots:
                await self._premises.clear(slot.logs)

        self._endings.begin(key, end())


def _on_its_way(workload: ServingWorkload) -> ServingObservation:
    """As another host has it, which is bringing it up."""
    revision, wanted = workload.revision, workload.instance_count
    return ServingObservation(revision, WorkloadState.STARTING, ready=0, wanted=wanted)
