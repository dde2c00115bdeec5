"""One kind of endpoint, put together."""

from dataclasses import dataclass
from typing import Generic, Self

from domain.ground.outbox import Outbox
from domain.identities.identity_holding import IdentityHolding
from domain.names import WorkspaceScope
from domain.ports import Clock, Observation, ResourceStore, StorageRoom, Workloads, WorkQueue
from domain.provisioning.deployment_running import DeploymentRunning, W
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.endpoint_identities import EndpointIdentities
from domain.provisioning.endpoint_saving import EndpointSaving
from domain.provisioning.kind import DP, EP, D, E, Kind, KindWorkloads
from domain.provisioning.provisioning import Provisioning
from domain.provisioning.reconciler import Reconciler
from domain.provisioning.restorer import Restorer
from domain.provisioning.wish_checking import WishChecking


@dataclass(frozen=True)
class Means:
    """What endpoints of any kind are provisioned with."""

    store: ResourceStore
    queue: WorkQueue
    clock: Clock
    scope: WorkspaceScope
    outbox: Outbox
    room: StorageRoom
    holding: IdentityHolding


@dataclass(frozen=True)
class Provisioned(Generic[E, EP, D, DP]):
    """Its endpoints and deployments: read, wished for, brought about, and kept running."""

    documents: EndpointDocuments[E, D]
    running: DeploymentRunning[D]
    provisioning: Provisioning[E, EP, D, DP]
    checking: WishChecking[E, EP, D, DP]
    reconciler: Reconciler[E, D]
    restorer: Restorer[E, D]

    @classmethod
    def of(
        cls,
        kind: Kind[E, EP, D, DP],
        wanted: KindWorkloads[D, W],
        compute: Workloads[W, Observation],
        means: Means,
    ) -> Self:
        """`wanted` says what of its deployments is to run, and `compute` runs it."""
        m = means
        documents = EndpointDocuments(m.store, m.scope, kind.types)
        running = DeploymentRunning(kind.types, wanted, compute)
        saving = EndpointSaving(documents, kind, m.store, m.queue, m.clock, m.outbox)
        identities = EndpointIdentities(kind.types, m.holding)
        return cls(
            documents=documents,
            running=running,
            provisioning=Provisioning(documents, kind, saving, m.clock, m.room, identities),
            checking=WishChecking(documents, kind, m.clock, identities),
            reconciler=Reconciler(documents, kind, running, saving, m.queue, m.clock, identities),
            restorer=Restorer(documents, kind, running, saving, m.store),
        )
