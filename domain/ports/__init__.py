"""What the domain asks of the outside. Each docstring is its port's contract; the suites
in tests/contract run it over every adapter.

Every call may raise `errors.Unavailable` or `errors.Throttled` for a fault that may pass.
Adapters put a time limit around every call that leaves the process.
"""

from domain.ports.blob_store import BlobProperties, BlobStore, Permission
from domain.ports.clock import Clock
from domain.ports.compute import (
    BlobFolder,
    Cluster,
    Compute,
    EnvironmentSpec,
    Instance,
    LogKind,
    Observation,
    Probe,
    Workload,
    WorkloadKind,
    WorkloadState,
)
from domain.ports.event_outlets import (
    EntityKind,
    EventMessage,
    EventTopics,
    WebhookAnswer,
    Webhooks,
    WebhookUnreachable,
)
from domain.ports.identity import Cipher, Principal, TokenVerifier
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
    InputPiece,
    InstanceLost,
    MiniBatchResult,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    UnitInput,
    UnitMiniBatch,
    UnitOutcome,
    UnitRequest,
)
from domain.ports.web_files import WebFileRefused, WebFiles, WebFileUnavailable
from domain.ports.work_queue import Message, WorkQueue

__all__ = [
    "BlobFolder",
    "BlobProperties",
    "BlobStore",
    "Cipher",
    "Clock",
    "Cluster",
    "Compute",
    "Create",
    "Delete",
    "Document",
    "EntityKind",
    "EnvironmentSpec",
    "EventMessage",
    "EventTopics",
    "InputPiece",
    "Instance",
    "InstanceLost",
    "Json",
    "LogKind",
    "Message",
    "MiniBatchResult",
    "Observation",
    "Page",
    "Permission",
    "Principal",
    "Probe",
    "Replace",
    "ResourceStore",
    "Scorer",
    "ScoringRequest",
    "ScoringResponse",
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
    "Workload",
    "WorkloadKind",
    "WorkloadState",
    "Write",
]
