"""What online deployments have of this machine, and whether it has more for one of them."""

from collections.abc import Callable, Mapping, Sequence

from domain.ports import InstanceSize, ServingWorkload
from infra.compute.ground.room import Portion, Room
from infra.compute.local.instances.fleet import Fleet
from infra.compute.local.serving.slot import Revision, Slot


class DeploymentPortions:
    """Of `slots`, by `room`, of which batch jobs have `busy` now.

    While an update rolls out, the instances that are to go count for what they were measured to
    use, and the new ones in full: what was let in once is not asked to fit twice."""

    def __init__(self, slots: Mapping[str, Slot], room: Room, busy: Callable[[], Portion]) -> None:
        self._slots = slots
        self._room = room
        self._busy = busy

    def of_all(self, but_for: Sequence[Fleet] = ()) -> Portion:
        """Of what has failed, what runs."""
        portions = Portion()
        for slot in list(self._slots.values()):
            for revision in slot.revisions:
                if revision.fleet not in but_for:
                    goes = revision is slot.current and slot.next is not None
                    portions += self._leaving(revision) if goes else self._of(revision)
        return portions

    def lacking(self, fleet: Fleet, workload: ServingWorkload) -> str | None:
        """Why `fleet` cannot be what `workload` asks for."""
        processes = workload.instance_count * workload.workers
        return self._refusal(
            workload.program.size, processes, workload.workers, _seen(fleet), but_for=[fleet]
        )

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """Why the deployment of a key cannot have so many, in the place of those that it has."""
        slot = self._slots.get(key)
        own = slot.fleets if slot else []
        seen: Sequence[int] = ()
        if slot is not None and slot.newest.workload.program.size == size:
            seen = _seen(slot.newest.fleet)
        return self._refusal(size, instances * workers, workers, seen, but_for=own)

    def warning(self) -> str | None:
        """What an instance that begins is to be told of."""
        return self._room.overcommitted(self.of_all() + self._busy())

    def _refusal(
        self,
        size: InstanceSize,
        processes: int,
        workers: int,
        seen: Sequence[int],
        *,
        but_for: Sequence[Fleet],
    ) -> str | None:
        asked = self._room.of(size, processes, workers=workers, seen=seen)
        taken = self.of_all(but_for) + self._busy()
        return self._room.refusal(size, asked, taken, workers=workers)

    def _of(self, revision: Revision) -> Portion:
        workload, fleet = revision.workload, revision.fleet
        count = fleet.processes
        if fleet.failure is not None:
            count = sum(each.process is not None for each in fleet.instances)
        return self._room.of(
            workload.program.size, count, workers=workload.workers, seen=_seen(fleet)
        )

    def _leaving(self, revision: Revision) -> Portion:
        return Portion(revision.fleet.processes, sum(_seen(revision.fleet)))


def _seen(fleet: Fleet) -> list[int]:
    """What each process has been measured to use, as far as it has been."""
    return [each.peak for each in fleet.instances if each.peak]
