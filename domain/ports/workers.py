"""Where units of batch jobs run."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.ports.blob_store import BlobFolder
from domain.ports.capabilities import InstanceSize
from domain.ports.units import UnitOutcome, UnitRequest
from domain.ports.workloads import Observation, Program, Workloads


@dataclass(frozen=True)
class Cluster:
    """The compute whose workers jobs share. `most_processes` bounds what all of them have at
    once (None: as many as one job asks for, or as suit the machine, whichever is more). An
    idle worker is kept for `idle_time`, for the next job that runs the same.

    Where workers are not processes of the host's machine they come by nodes, each of
    `processes_per_node`; `least_nodes` stay when nobody needs them. `node_size` is what each
    has, whatever the program says; None: what the program says."""

    name: str = "local"
    most_processes: int | None = None
    idle_time: timedelta = timedelta(minutes=2)
    processes_per_node: int = 1
    least_nodes: int = 0
    node_size: InstanceSize | None = None

    @property
    def most_nodes(self) -> int | None:
        most = self.most_processes
        return None if most is None else max(1, most // self.processes_per_node)


@dataclass(frozen=True)
class WorkersWorkload:
    """The workers that one batch job wants, each of which runs one unit at a time.

    `key` names it (`batch/{job}`). Jobs of one cluster and program share workers, and each
    gets at most `worker_count` at once. No workers at all still builds the environment and
    fetches the files: what a batch deployment wants.
    """

    key: str
    revision: str
    program: Program
    worker_count: int
    output: BlobFolder | None = None
    """Where AZUREML_BI_OUTPUT_PATH points; such workers are this job's alone."""
    cluster: Cluster = Cluster()


class Workers(Workloads[WorkersWorkload, Observation], Protocol):
    """Has workers up for jobs, and runs units on them. FAILED with code OutOfQuota says that
    there is no room now. `remove` takes a job away from workers that it shared, or that
    another may use: those go on without it."""

    @property
    @abstractmethod
    def holder(self) -> str | None:
        """Where attempts live that this host began and that have not ended: only a host whose
        own says the same can go on with them, also after a restart, which begins those anew
        that it finds no more. None: they live with the workers, and any host can."""

    async def begin_units(self, key: str, requests: Sequence[UnitRequest]) -> None:
        """Each of these quick units is asked for next, by `run_unit`, one after the other. Where
        asking costs more than they do they may begin at once."""
        del key, requests  # where it costs little they begin when they are asked for

    @abstractmethod
    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        """Run a unit on an idle worker of the job `key`, at most as many at once as the job
        has asked for workers. None when it has not ended within `wait` seconds, or has found
        no worker for some: call again with the same request to go on waiting, it keeps its
        place. An attempt waiting, running, or ended and not yet collected is joined, not
        repeated; what it is lent is what the request says now."""
