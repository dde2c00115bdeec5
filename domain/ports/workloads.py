"""What runs, and how it is made to: what online deployments and batch jobs have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Protocol, TypeVar

from domain.ports.blob_store import SealedFolder
from domain.ports.capabilities import EnvironmentSpec, InstanceSize
from domain.values import unsaid

W_contra = TypeVar("W_contra", contravariant=True)
O_co = TypeVar("O_co", bound="Observation", covariant=True)


@dataclass(frozen=True)
class ServerRoute:
    """Of a server: `path` begins with `/`."""

    path: str
    port: int


@dataclass(frozen=True)
class OwnServer:
    """A server that the user brings along, in place of a scoring script: what the environment is an
    image of, or what `command` starts in it. Requests to score go to `scoring`, any other path to
    the same port. It finds the model at `model_folder` and the code below `code_folder`, neither of
    which it can change."""

    scoring: ServerRoute
    liveness: ServerRoute
    readiness: ServerRoute
    model_folder: str
    code_folder: str
    command: tuple[str, ...] = ()

    @property
    def ports(self) -> frozenset[int]:
        return frozenset({self.scoring.port, self.liveness.port, self.readiness.port})


@dataclass(frozen=True)
class ProgramIdentity:
    """Whom scripts may be to others. `holder` has the identities, a path below the workspace:
    an `own` one, and those `given`, by their ARM ids. Where a platform has identities itself, it is
    to run with these; else they are this installation's, and looked up by the holder."""

    holder: str
    own: bool
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """What one instance, or one worker, runs, and how large it is. Those that run the same
    program differ in nothing that the model's code can see."""

    environment: EnvironmentSpec
    model: SealedFolder | None
    code: SealedFolder | None
    """None only where there is a `server`."""
    scoring_script: str | None
    """None: `code` is an MLflow model, which is run without a script; or there is a `server`, which
    needs none."""
    environment_variables: Mapping[str, str]
    size: InstanceSize
    server: Annotated[OwnServer | None, unsaid(None)] = None
    identity: Annotated[ProgramIdentity | None, unsaid(None)] = None
    """None: its scripts are nobody."""
    closed: Annotated[bool, unsaid(False)] = False
    """Whether its scripts reach no network. Who asks them reaches them all the same."""


class WorkloadState(StrEnum):
    BUILDING = "Building"
    STARTING = "Starting"
    READY = "Ready"
    FAILED = "Failed"


@dataclass(frozen=True)
class Observation:
    """What the compute shows for a key. `revision` is the one that the rest speaks of: the
    newest asked for. `ready` and `wanted` count instances or workers. On FAILED, `code` is
    Azure ML's (ImageBuildFailure, ResourceNotReady, UserScriptImportError,
    UserScriptInitFailed, OutOfQuota, ...) and `reason` explains, log tail included."""

    revision: str
    state: WorkloadState
    ready: int
    wanted: int
    code: str | None = None
    reason: str | None = None


class LogKind(StrEnum):
    INFERENCE_SERVER = "InferenceServer"
    STORAGE_INITIALIZER = "StorageInitializer"


class Workloads(Protocol[W_contra, O_co]):
    """What is wanted under a key, and how far it is. Nothing here waits for a model: `ensure`
    starts work towards what is wanted and `observe` tells how far it has come.

    A compute may be one that several hosts share, or one of this host alone, which knows
    nothing of what others asked of theirs and forgets what it was asked when the host ends.
    Whoever uses it takes either: keys it does not know are asked for again, and keys that
    nobody wants any more are removed, whoever asked for them."""

    @abstractmethod
    async def ensure(self, workload: W_contra) -> O_co:
        """Work towards `workload`. Idempotent: the same key and revision again changes
        nothing but how many are wanted, and revives what has FAILED."""

    @abstractmethod
    async def observe(self, key: str) -> O_co | None:
        """None: nothing is known of the key."""

    @abstractmethod
    async def remove(self, key: str, *, grace: timedelta) -> bool:
        """Stop it: nothing new is begun, what is under way has `grace`, then ends. True once
        nothing of it is left, but for what does not run any more and a platform will not take
        away, which the compute sees to; call again until then."""

    @abstractmethod
    async def keys(self) -> Sequence[str]:
        """Every key that is known, those included that are being removed."""

    @abstractmethod
    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        """The last `tail` lines of what its processes printed, or of how its environment
        came about. Kept after a failure until removal; '' when there is nothing."""
