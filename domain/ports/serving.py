"""Where online deployments run."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.ports.workloads import Observation, Program, Workloads


@dataclass(frozen=True)
class Probe:
    """Times in seconds."""

    initial_delay: float = 10.0
    period: float = 10.0
    timeout: float = 2.0
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True)
class ServingWorkload:
    """What one online deployment wants running.

    `key` names it (`online/{endpoint}/{deployment}`). A different `revision` under the same
    key is rolled out beside the old one, which serves until the new one is ready. No
    instances at all still builds the environment and fetches the files.
    """

    key: str
    revision: str
    program: Program
    instance_count: int
    max_concurrent_requests: int = 1
    """Of one instance, at once; as many may wait there, each for `max_queue_wait`."""
    workers: int = 1
    """Processes of one instance, at most `max_concurrent_requests`; its requests, cores and
    memory are shared out among them."""
    max_queue_wait: timedelta = timedelta(milliseconds=500)
    request_timeout: timedelta = timedelta(seconds=5)
    liveness: Probe = Probe()
    readiness: Probe = Probe()


@dataclass(frozen=True)
class ServingObservation(Observation):
    """`serving` says whether any instance (of any revision) takes requests, `served` whether
    one ever has since the compute was first asked for the key."""

    serving: bool = False
    served: bool = False


@dataclass(frozen=True)
class Instance:
    """Something that takes requests. `id` names one life of it: whatever takes its place has
    another. `address` is for the Scorer beside the Serving that gave it, and for nobody else.
    `workers` of a workload's processes answer there."""

    id: str
    address: str
    workers: int = 1


class Serving(Workloads[ServingWorkload, ServingObservation], Protocol):
    """Keeps instances of online deployments up: what dies is replaced, what is replaced or
    taken away ends once its requests have."""

    @abstractmethod
    def instances(self, key: str) -> Sequence[Instance]:
        """Those that take requests now, as far as this host knows: several for one instance
        of the workload where its workers are reached one by one. Cheap: it is asked on every
        request, and calls nobody."""

    @abstractmethod
    async def refresh(self, keys: Sequence[str]) -> None:
        """Have `instances` of these keys be as they are now: a gateway asks for it whenever it
        reads a route anew. Where a host does not run them itself it reads documents, and calls
        no platform."""
