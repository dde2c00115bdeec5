"""What the domain asks of the outside. Each docstring is its port's contract; the suites
in tests/contract run it over every adapter.

Every call may raise `errors.Unavailable` or `errors.Throttled` for a fault that may pass.
Adapters put a time limit around every call that leaves the process.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

Json = dict[str, Any]

# ---------------------------------------------------------------------------------------
# ResourceStore


@dataclass(frozen=True)
class Document:
    """One stored body. `etag` is opaque and new after every write, recreation included.

    `due_at` (Unix seconds) marks unfinished work: the sweep finds documents by it. None
    means nothing is outstanding.
    """

    partition: str
    id: str
    body: Json
    etag: str
    due_at: float | None = None


@dataclass(frozen=True)
class Create:
    """Fails with DocumentExists if the id is taken. `ttl` seconds after its last write a
    document may vanish by itself; None keeps it."""

    id: str
    body: Json
    due_at: float | None = None
    ttl: int | None = None


@dataclass(frozen=True)
class Replace:
    """Fails with DocumentNotFound, or StaleETag when `etag` (None: any) is not current."""

    id: str
    body: Json
    etag: str | None
    due_at: float | None = None
    ttl: int | None = None


@dataclass(frozen=True)
class Delete:
    """Fails with DocumentNotFound, or StaleETag when `etag` (None: any) is not current."""

    id: str
    etag: str | None = None


Write = Create | Replace | Delete


@dataclass(frozen=True)
class Page:
    """`continuation` is opaque; None when this is the last page."""

    documents: Sequence[Document]
    continuation: str | None = None


class ResourceStore(Protocol):
    """JSON documents by partition and id, with optimistic concurrency.

    An id is 1 to 255 characters without `/ \\ ? #`, and neither `.` nor `..`; a body has a
    string field `kind`. A document is at most 1 MB of JSON, those of one transaction 2 MB
    together. Whole numbers beyond 2**53 may lose digits.
    """

    @abstractmethod
    async def get(self, partition: str, id: str) -> Document:
        """The current document. Raises DocumentNotFound."""

    @abstractmethod
    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document | None]:
        """Apply 1 to 100 writes to one partition, all or none, and return the documents
        as written (None for a delete), in order. An id may appear once. The first write
        that fails raises its error and nothing is changed; of racing writers on one ETag
        exactly one wins."""

    @abstractmethod
    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        """Documents of `kind`, in order of (partition, id), whose top-level body fields
        equal `where`. A page is stable under writes: a document present throughout the
        paging is seen exactly once. Raises Invalid for a continuation it never gave.
        Without a partition this crosses partitions; keep it off hot paths."""

    @abstractmethod
    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        """Up to `limit` documents with `due_at` <= `before` (Unix seconds), earliest
        first, across partitions."""


# ---------------------------------------------------------------------------------------
# WorkQueue


@dataclass(frozen=True)
class Message:
    """What is sent: a small JSON body that names work, never carries it."""

    body: Json
    delay: timedelta = timedelta(0)


class WorkQueue(Protocol):
    """Named queues, delivered at least once by the host to queue-triggered functions, in no
    promised order. The sender's trace context travels with the message."""

    @abstractmethod
    async def send(self, queue: str, *messages: Message) -> None:
        """Durably enqueue every message before returning; on an error some may be
        enqueued. Raises MessageTooLarge over 256 KB of encoded body."""


# ---------------------------------------------------------------------------------------
# BlobStore


@dataclass(frozen=True)
class BlobProperties:
    """`name` is relative to its container. `size` is in bytes; `etag` changes with every
    change of content."""

    name: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


class Permission(StrEnum):
    READ = "r"
    WRITE = "w"
    LIST = "l"
    DELETE = "d"


class BlobStore(Protocol):
    """Block blobs in containers. Containers come into being with their first write.

    A blob name is 1 to 1,024 characters, `/` between its at most 254 segments; no segment
    is empty, `.` or `..` (Invalid otherwise). Readers never see a blob half-written.
    """

    @abstractmethod
    async def properties(self, container: str, name: str) -> BlobProperties:
        """Raises BlobNotFound."""

    @abstractmethod
    def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        """The content in pieces of at most 4 MiB. Raises BlobNotFound, or StaleETag if the
        blob is not (or stops being) the one `etag` names."""

    @abstractmethod
    async def write(
        self,
        container: str,
        name: str,
        content: AsyncIterator[bytes] | bytes,
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        """Replace the whole blob at once when the last piece has come. With `if_absent`,
        raises BlobExists when a blob is there, and of racing writers one wins."""

    @abstractmethod
    async def delete(self, container: str, name: str) -> None:
        """Deleting what is not there is no error."""

    @abstractmethod
    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        """Blobs whose names begin with `prefix`, as a stream in order of name (by code
        point). A container that is not there is empty."""

    @abstractmethod
    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        """Keep `content` (1 byte or more) as an uncommitted block of the blob. Staging an
        id again replaces it. All ids of one blob have one length (at most 64 characters)."""

    @abstractmethod
    async def commit_blocks(
        self,
        container: str,
        name: str,
        block_ids: Sequence[str],
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        """Make the blob the concatenation of the named blocks, in that order, and drop
        its other uncommitted ones. At most 50,000; an unknown id raises Invalid; with
        `if_absent`, raises BlobExists when a blob is there. No ids: an empty blob."""

    @abstractmethod
    async def lend(self, container: str, name: str) -> str:
        """A URL from which a worker beside a model can read the blob for a day: `file:` on
        this machine, else a signed `https:` one."""

    @abstractmethod
    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        """A URL to which such a worker can write one block for a day. For `file:` it
        writes a sibling file and renames it; for `https:` it PUTs."""

    @abstractmethod
    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        """A URL that needs no further credential for the blob (or, with no name, for every
        blob of the container: put `/{name}` before its query)."""

    @abstractmethod
    def url(self, container: str, name: str | None = None) -> str:
        """The plain URL of a blob or container, without any credential."""

    @abstractmethod
    def locate(self, url: str) -> tuple[str, str] | None:
        """Inverse of `url` (a query is ignored): container and name ('' for a container);
        None for a URL that is not this store's."""


# ---------------------------------------------------------------------------------------
# Compute and Scorer


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
class Workload:
    """What one online deployment, or one batch job, wants running.

    `key` names it (`online/{endpoint}/{deployment}`, `batch/{job}`); no instances at all
    still builds the environment and fetches the files. A different `revision`
    under the same key is rolled out beside the old one, which serves until the new one is
    ready. For BATCH an instance is a worker process. `cpu` is in cores, `memory` in bytes.
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
    """BATCH: where AZUREML_BI_OUTPUT_PATH points."""


class WorkloadState(StrEnum):
    BUILDING = "Building"
    STARTING = "Starting"
    READY = "Ready"
    FAILED = "Failed"


@dataclass(frozen=True)
class Observation:
    """What the compute shows for a key. `revision` is the one `state` speaks of: the newest
    asked for. `serving` says whether any instance (of any revision) takes requests. On
    FAILED, `code` is Azure ML's (ImageBuildFailure, ResourceNotReady, UserScriptImportError,
    UserScriptInitFailed, OutOfQuota, ...) and `reason` explains, log tail included."""

    revision: str
    state: WorkloadState
    ready: int
    wanted: int
    serving: bool
    code: str | None = None
    reason: str | None = None


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
        once nothing of it is left; call again until then."""

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


@dataclass(frozen=True)
class ScoringRequest:
    """A caller's request for one instance: `headers` lower-case, without hop-by-hop ones."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes] | bytes


@dataclass(frozen=True)
class ScoringResponse:
    """The instance's answer. A small, whole body is bytes; else it streams and must be
    iterated or closed."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes] | bytes


@dataclass(frozen=True)
class UnitInput:
    """One input file: its name as outputs show it, and where a worker reads it."""

    name: str
    url: str


@dataclass(frozen=True)
class UnitMiniBatch:
    ordinal: int
    inputs: tuple[UnitInput, ...]
    tries: int
    """Tries left for an exception or short return; a timeout or crash ends the unit."""


@dataclass(frozen=True)
class UnitRequest:
    """k consecutive mini-batches for one worker. `block_url` takes their rows joined in
    order (None for summary_only). `attempt_id` is unique to this attempt of this unit."""

    attempt_id: str
    mini_batches: tuple[UnitMiniBatch, ...]
    timeout: timedelta
    output_format: str
    block_url: str | None


@dataclass(frozen=True)
class MiniBatchResult:
    """What became of one mini-batch. `returned` counts the elements or rows `run` gave."""

    ordinal: int
    succeeded: bool
    returned: int
    tries: int
    seconds: float
    error: str | None = None
    log_excerpt: str | None = None


@dataclass(frozen=True)
class UnitOutcome:
    """`results` has an entry for each mini-batch that ended. `lost` explains a worker that
    timed out or died (the block is then not written) on mini-batch `lost_ordinal`; None
    there blames no mini-batch (the worker was never ready, or was taken away).
    `length` in bytes and `digest` (SHA-256, hex) describe the block; 0 rows write none."""

    results: tuple[MiniBatchResult, ...]
    rows: int = 0
    length: int = 0
    digest: str = ""
    columns: tuple[str, ...] = ()
    lost: str | None = None
    lost_ordinal: int | None = None


class Scorer(Protocol):
    """Talks to what Compute runs."""

    @abstractmethod
    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        """One request to one instance, body and answer untouched. `timeout` (seconds)
        bounds the wait for the answer's head. Raises TimeoutError; InstanceLost, which
        says whether any of the request was sent."""

    @abstractmethod
    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        """Run a unit on an idle worker of the BATCH workload `key`. None when it has not
        ended within `wait` seconds: call again with the same request to go on waiting. An
        attempt already running, or ended and not yet collected, is joined, not repeated."""


class InstanceLost(Exception):
    """The instance did not answer. `sent` is False when it is sure that the instance saw
    none of the request, so that another may be tried."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


# ---------------------------------------------------------------------------------------
# Identity, secrets, time


@dataclass(frozen=True)
class Principal:
    """Who calls: the token's subject and its roles (domain/access.py), until the token
    expires (Unix seconds; None: not known, so that nothing may be remembered)."""

    id: str
    roles: frozenset[str]
    expires_at: float | None = None


class TokenVerifier(Protocol):
    """Bearer tokens (RFC 6750) from the one trusted issuer."""

    @abstractmethod
    async def verify(self, token: str) -> Principal:
        """Check signature, issuer, audience and expiry. Raises Unauthenticated."""


class Cipher(Protocol):
    """Secrets at rest."""

    @abstractmethod
    def encrypt(self, plain: str) -> str: ...

    @abstractmethod
    def decrypt(self, sealed: str) -> str:
        """Raises Invalid for what this cipher did not seal."""


class Clock(Protocol):
    @abstractmethod
    def now(self) -> datetime:
        """Aware, UTC."""
