"""What the domain asks of the outside. Each docstring is its port's contract; the suites
in tests/contract run it over every adapter.

Every call may raise `errors.Unavailable` or `errors.Throttled` for a fault that may pass.
Adapters put a time limit around every call that leaves the process.
"""

from domain.ports.audit_log import AuditLog, AuditPage, AuditQuery, AuditRecord, AuditStatus
from domain.ports.blob_store import BlobFolder, BlobProperties, BlobStore, Permission, SealedFolder
from domain.ports.capabilities import (
    NO_INDEXES,
    Capabilities,
    Capacity,
    Credentials,
    DockerBuild,
    EnvironmentBuild,
    EnvironmentSpec,
    IndexCredentials,
    InstanceSize,
    IsolationPart,
    PackageIndexes,
)
from domain.ports.clock import Clock
from domain.ports.event_outlets import (
    EntityKind,
    EventMessage,
    EventTopics,
    WebhookAnswer,
    Webhooks,
    WebhookUnreachable,
)
from domain.ports.identity import (
    CallerAddresses,
    Cipher,
    Clients,
    NewSecret,
    Principal,
    RegisteredClient,
    TokenVerifier,
)
from domain.ports.resource_store import (
    Create,
    Delete,
    Document,
    Json,
    Page,
    Replace,
    ResourceStore,
    Write,
)
from domain.ports.scorer import (
    Break,
    BrokenOff,
    InstanceLost,
    Scorer,
    ScoringRequest,
    ScoringResponse,
)
from domain.ports.serving import (
    Instance,
    Probe,
    Serving,
    ServingObservation,
    ServingWorkload,
)
from domain.ports.storage import DiskState, DiskUse, FolderUse, StorageRoom
from domain.ports.units import (
    InputPiece,
    MiniBatchResult,
    UnitInput,
    UnitMiniBatch,
    UnitOutcome,
    UnitRequest,
)
from domain.ports.web_files import WebFileRefused, WebFiles, WebFileUnavailable
from domain.ports.work_queue import Message, WorkQueue
from domain.ports.workers import Cluster, Workers, WorkersWorkload
from domain.ports.workloads import (
    LogKind,
    Observation,
    OwnServer,
    Program,
    ServerRoute,
    Workloads,
    WorkloadState,
)

__all__ = [
    "NO_INDEXES",
    "AuditLog",
    "AuditPage",
    "AuditQuery",
    "AuditRecord",
    "AuditStatus",
    "BlobFolder",
    "BlobProperties",
    "BlobStore",
    "Break",
    "BrokenOff",
    "CallerAddresses",
    "Capabilities",
    "Capacity",
    "Cipher",
    "Clients",
    "Clock",
    "Cluster",
    "Create",
    "Credentials",
    "Delete",
    "DiskState",
    "DiskUse",
    "DockerBuild",
    "Document",
    "EntityKind",
    "EnvironmentBuild",
    "EnvironmentSpec",
    "EventMessage",
    "EventTopics",
    "FolderUse",
    "IndexCredentials",
    "InputPiece",
    "Instance",
    "InstanceLost",
    "InstanceSize",
    "IsolationPart",
    "Json",
    "LogKind",
    "Message",
    "MiniBatchResult",
    "NewSecret",
    "Observation",
    "OwnServer",
    "PackageIndexes",
    "Page",
    "Permission",
    "Principal",
    "Probe",
    "Program",
    "RegisteredClient",
    "Replace",
    "ResourceStore",
    "Scorer",
    "ScoringRequest",
    "ScoringResponse",
    "SealedFolder",
    "ServerRoute",
    "Serving",
    "ServingObservation",
    "ServingWorkload",
    "StorageRoom",
    "TokenVerifier",
    "UnitInput",
    "UnitMiniBatch",
    "UnitOutcome",
    "UnitRequest",
    "WebFileRefused",
    "WebFileUnavailable",
    "WebFiles",
    "WebhookAnswer",
    "WebhookUnreachable",
    "Webhooks",
    "WorkQueue",
    "Workers",
    "WorkersWorkload",
    "WorkloadState",
    "Workloads",
    "Write",
]
