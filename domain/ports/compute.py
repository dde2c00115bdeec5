"""Where models run."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class EnvironmentSpec:
    """What a model's Python needs: a version such as `3.11` and PEP 508 requirements
    (`--index-url` style options are refused earlier). Its hash keys the built environment."""

    python: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class BlobFolder:
    """A file or folder in the blob store: `path` is a blob, or a prefix of blobs, or '' for
    the whole container."""

    container: str
    path: str


@dataclass(frozen=True)
class Probe:
    """Times in seconds."""

    initial_delay: float = 10.0
    period: float = 10.0
    timeout: float = 2.0
    success_threshold: int = 1
    failure_threshold: int = 30


class WorkloadKind(StrEnum):
    ONLINE = "online"
    BATCH = "batch"


@dataclass(frozen=True)
class Cluster:
    """BATCH: the compute whose workers jobs share. `most_processes` bounds what all of them
    have at once (None: as many as one job asks for, or as suit the machine, whichever is
    more). An idle worker is kept for `idle_time`, for the next job that runs the same."""

    name: str = "local"
    most_processes: int | None = None
    idle_time: timedelta = timedelta(minutes=2)


@dataclass(frozen=True)
class Workload:
    """What one online deployment, or one batch job, wants running.

    `key` names it (`online/{endpoint}/{deployment}`, `batch/{job}`); no instances at all
    still builds the environment and fetches the files. A different `revision`
    under the same key is rolled out beside the old one, which serves until the new one is
    ready. For BATCH an instance is a worker process; jobs that run the same (all but key,
    revision and count agree) share workers, and each gets at most `instance_count` at once.
    `cpu` is in cores, `memory` in bytes.
    """

    key: str
    kind: WorkloadKind
    revision: str
    environment: EnvironmentSpec
    model: BlobFolder | None
    code: BlobFolder
    scoring_script: str | None
    """None: `code` is an MLflow model, which is served without a script."""
    environment_variables: Mapping[str, str]
    instance_count: int
    cpu: float
    memory: int
    max_concurrent_requests: int = 1
    workers: int = 1
    """ONLINE: processes of one instance, at most `max_concurrent_requests`; its requests,
    cores and memory are shared out among them. Each is an `Instance` to the gateway."""
    max_queue_wait: timedelta = timedelta(milliseconds=500)
    request_timeout: timedelta = timedelta(seconds=5)
    liveness: Probe = Probe()
    readiness: Probe = Probe()
    output: BlobFolder | None = None
    """BATCH: where AZUREML_BI_OUTPUT_PATH points; such workers are this job's alone."""
    cluster: Cluster = Cluster()


class WorkloadState(StrEnum):
    BUILDING = "Building"
    STARTING = "Starting"
    READY = "Ready"
    FAILED = "Failed"


@dataclass(frozen=True)
class Observation:
    """What the compute shows for a key. `revision` is the one `state` speaks of: the newest
    asked for. `serving` says whether any instance (of any revision) takes requests, `served`
    whether one ever has since this process was first asked for the key. On FAILED, `code` is
    Azure ML's (ImageBuildFailure, ResourceNotReady, UserScriptImportError,
    UserScriptInitFailed, OutOfQuota, ...) and `reason` explains, log tail included."""

    revision: str
    state: WorkloadState
    ready: int
    wanted: int
    serving: bool
    code: str | None = None
    reason: str | None = None
    served: bool = False


@dataclass(frozen=True)
class Instance:
    """One running server. `address` is the adapter's own (a socket path, a URL)."""

    id: str
    address: str


class LogKind(StrEnum):
    INFERENCE_SERVER = "InferenceServer"
    STORAGE_INITIALIZER = "StorageInitializer"


class Compute(Protocol):
    """Where models run. Nothing here waits for a model: `ensure` starts work towards what is
    wanted and `observe` tells how far it is."""

    @abstractmethod
    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        """Every reason why this compute could never run such a thing (no such Python, no
        such instance type, no managed compute here), each a sentence; empty if none."""

    @abstractmethod
    def size(self, instance_type: str | None) -> tuple[float, int]:
        """Cores and bytes of memory that an instance type means here; None: this compute's
        default. Raises Invalid for one that `refusals` refuses."""

    @abstractmethod
    async def ensure(self, workload: Workload) -> Observation:
        """Work towards `workload`. Idempotent: the same key and revision again changes
        nothing but the instance count, and revives one that has FAILED."""

    @abstractmethod
    async def observe(self, key: str) -> Observation | None:
        """None: nothing is known of the key."""

    @abstractmethod
    async def remove(self, key: str, *, grace: timedelta) -> bool:
        """Stop the workload: no new requests, those in flight have `grace`, then end. True
        once nothing of it is left; call again until then. Workers of a BATCH job that it
        shared, or that another may use, go on without it."""

    @abstractmethod
    async def keys(self, kind: WorkloadKind) -> Sequence[str]:
        """Every key this compute knows."""

    @abstractmethod
    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        """The last `tail` lines of what its instances printed, or of the environment's
        build. Kept after a failure until removal; '' when there is nothing."""

    @abstractmethod
    def instances(self, key: str) -> Sequence[Instance]:
        """Instances that take requests now. Cheap: it is asked on every request."""
