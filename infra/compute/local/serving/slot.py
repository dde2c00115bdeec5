"""Where a deployment runs on this machine."""

from dataclasses import dataclass
from pathlib import Path

from domain.ports import Instance, ServingObservation, ServingWorkload, WorkloadState
from infra.compute.local.instances.fleet import Fleet


@dataclass
class Revision:
    """One revision of what a deployment wants, and the fleet that runs it."""

    workload: ServingWorkload
    fleet: Fleet


@dataclass
class Slot:
    """What runs under one key. `next` is rolled out beside `current`; `served` says whether any
    instance has ever taken requests."""

    logs: Path
    current: Revision
    next: Revision | None = None
    instances: tuple[Instance, ...] = ()
    served: bool = False

    @property
    def newest(self) -> Revision:
        return self.next or self.current

    @property
    def revisions(self) -> list[Revision]:
        return [self.current] if self.next is None else [self.current, self.next]

    @property
    def fleets(self) -> list[Fleet]:
        return [each.fleet for each in self.revisions]

    @property
    def is_whole(self) -> bool:
        """Whether what serves has as many instances as it should."""
        return self.current.fleet.state is WorkloadState.READY

    @property
    def observation(self) -> ServingObservation:
        workload, fleet = self.newest.workload, self.newest.fleet
        failure = fleet.failure
        return ServingObservation(
            revision=workload.revision,
            state=fleet.state,
            ready=len(fleet.ready) // workload.workers,
            wanted=workload.instance_count,
            code=failure.code if failure else None,
            reason=failure.reason if failure else None,
            serving=bool(self.current.fleet.ready),
            served=self.served,
        )
