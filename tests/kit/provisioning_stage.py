"""What tests of the control plane stand on: the embedded stores in a folder, a compute whose
answers a test sets, and a pump in the place of the host's queue listener."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.assets.asset_references import AssetSources
from domain.assets.asset_registration import AssetRegistration
from domain.assets.asset_use import AssetUse
from domain.batch.activities import BatchActivities
from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpointProperties
from domain.batch.compute_targets import ComputeTargets
from domain.errors import Invalid
from domain.ground.driving.sweeping import Sweeping
from domain.ground.messages import PROVISIONING_QUEUE, SCALING_QUEUE, Reconcile, WakeDeployment
from domain.ground.operation import Operation, Operations
from domain.ground.resource import Conditions, Wanted
from domain.names import WorkspaceScope
from domain.online.activities import OnlineActivities
from domain.online.online_deployment import OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpointProperties
from domain.ports import (
    EnvironmentSpec,
    Instance,
    InstanceSize,
    LogKind,
    ServingObservation,
    ServingWorkload,
    UnitOutcome,
    UnitRequest,
    WorkersWorkload,
    WorkloadState,
)
from domain.provisioning.provisioned import Means
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from tests.kit.asset_stage import register_assets
from tests.kit.clocks import HeldClock
from tests.kit.endpoint_activities import LOCATION, batch_activities, online_activities
from tests.kit.facts import outbox

SCOPE = WorkspaceScope("00000000-0000-0000-0000-000000000000", "group", "workspace")
ANY = Conditions()
CALLER = "a test"


class ToldCompute:
    """Capabilities, Serving and Workers in one. Says of every workload that it is in `state`
    (or what `told` has for its key), and of a removal that it is over when `lets_go`."""

    def __init__(self) -> None:
        self.state = WorkloadState.READY
        self.told: dict[str, WorkloadState] = {}
        self.code: str | None = None
        self.reason: str | None = None
        self.lets_go = True
        self.running: dict[str, Any] = {}
        self.ensured: list[str] = []
        self.removed: list[str] = []
        self.refused: list[str] = []
        self.up: dict[str, Sequence[Instance]] = {}
        self.while_ensuring: Callable[[], Any] | None = None

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        try:
            self.size(instance_type)
        except Invalid as error:
            return [*self.refused, error.message]
        return self.refused

    def size(self, instance_type: str | None) -> InstanceSize:
        if instance_type not in (None, "Standard_F4s_v2", "Standard_DS3_v2"):
            raise Invalid("There is no such instance type.")
        return InstanceSize(1.0, 2**30)

    async def ensure(self, workload: ServingWorkload | WorkersWorkload) -> ServingObservation:
        if self.while_ensuring is not None:
            await self.while_ensuring()
        self.ensured.append(workload.key)
        self.running[workload.key] = workload
        return self._observation(workload)

    async def observe(self, key: str) -> ServingObservation | None:
        workload = self.running.get(key)
        return self._observation(workload) if workload else None

    def _observation(self, workload: ServingWorkload | WorkersWorkload) -> ServingObservation:
        state = self.told.get(workload.key, self.state)
        if isinstance(workload, WorkersWorkload):
            wanted = workload.worker_count
        else:
            wanted = workload.instance_count
        ready = wanted if state is WorkloadState.READY else 0
        failed = state is WorkloadState.FAILED
        return ServingObservation(
            workload.revision,
            state,
            ready,
            wanted,
            self.code if failed else None,
            self.reason if failed else None,
            serving=ready > 0,
        )

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        self.removed.append(key)
        if self.lets_go:
            self.running.pop(key, None)
        return self.lets_go

    async def keys(self) -> Sequence[str]:
        return list(self.running)

    @property
    def holder(self) -> str | None:
        return None

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        raise NotImplementedError

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return f"{kind} of {key}, {tail}"

    def instances(self, key: str) -> Sequence[Instance]:
        return self.up.get(key, ())


@dataclass
class ProvisioningStage:
    folder: Path
    clock: HeldClock
    compute: ToldCompute
    store: SqliteResourceStore
    queue: SqliteWorkQueue
    blobs: FileBlobStore
    registration: AssetRegistration
    online: OnlineActivities
    batch: BatchActivities
    sweeping: Sweeping
    operations: Operations
    changed: list[str] = field(default_factory=list)

    # -- the host's part ----------------------------------------------------------------

    async def messages(self) -> list[Reconcile]:
        """Take every message off the queue, delayed ones too, by waiting them out."""
        self.clock.move(2)
        taken = await self.queue.receive(PROVISIONING_QUEUE, 500, timedelta(seconds=30))
        for message in taken:
            await self.queue.complete(message.lock_token)
        return [Reconcile.from_document(json.loads(message.body)) for message in taken]

    async def deliver(self, message: Reconcile) -> None:
        activities = self.online if message.kind == "onlineEndpoints" else self.batch
        await activities.reconciler.reconcile(message)

    async def turn(self) -> int:
        """Deliver every message there is, once; how many they were."""
        taken = await self.messages()
        for message in taken:
            await self.deliver(message)
        return len(taken)

    async def settle(self, turns: int = 50) -> None:
        """Deliver until nothing is left to do."""
        for _ in range(turns):
            if not await self.turn():
                return
        raise AssertionError(f"messages go on after {turns} turns")

    async def status(self, operation: Operation) -> str:
        return (await self.operations.get(operation.id)).status.value

    async def wakes(self) -> list[WakeDeployment]:
        """Take every message off the scaling queue."""
        taken = await self.queue.receive(SCALING_QUEUE, 500, timedelta(seconds=30))
        for message in taken:
            await self.queue.complete(message.lock_token)
        return [WakeDeployment.from_document(json.loads(message.body)) for message in taken]

    # -- what stands on it --------------------------------------------------------------

    async def register_assets(self) -> None:
        await register_assets(self.registration, self.blobs)

    async def put_endpoint(self, name: str = "iris", **properties: Any) -> Operation:
        wanted = online_endpoint(**properties)
        return (await self.online.provisioning.put_endpoint(name, wanted, CALLER, ANY)).operation

    async def put_deployment(
        self, name: str = "blue", endpoint: str = "iris", **changes: Any
    ) -> Operation:
        wanted = online_deployment(**changes)
        accepted = await self.online.provisioning.put_deployment(
            endpoint, name, wanted, CALLER, ANY
        )
        return accepted.operation

    async def iris(self, *deployments: str) -> None:
        """The endpoint `iris` with `deployments`, all ready."""
        await self.register_assets()
        await self.put_endpoint()
        for name in deployments:
            await self.put_deployment(name)
        await self.settle()

    async def deployment_state(self, name: str = "blue", endpoint: str = "iris") -> str:
        stored = await self.online.deployments.get(endpoint, name)
        return stored.resource.provisioning_state.value


def online_endpoint(**properties: Any) -> Wanted[OnlineEndpointProperties]:
    return Wanted[OnlineEndpointProperties](properties=OnlineEndpointProperties(**properties))


def online_deployment(
    capacity: int | None = None, tags: Mapping[str, str] | None = None, **properties: Any
) -> Wanted[OnlineDeploymentProperties]:
    asked = {
        "model": "azureml:m:1",
        "code_configuration": {"code_id": "azureml:c:1", "scoring_script": "score.py"},
        "environment_id": "azureml:e:1",
        **properties,
    }
    return Wanted[OnlineDeploymentProperties].model_validate(
        {
            "properties": OnlineDeploymentProperties.model_validate(asked),
            "sku": None if capacity is None else {"capacity": capacity},
            "tags": dict(tags or {}),
        }
    )


def batch_endpoint(**properties: Any) -> Wanted[BatchEndpointProperties]:
    return Wanted[BatchEndpointProperties].model_validate({"properties": properties})


def batch_deployment(**properties: Any) -> Wanted[BatchDeploymentProperties]:
    asked = {
        "model": "azureml:m:1",
        "code_configuration": {"code_id": "azureml:c:1", "scoring_script": "score.py"},
        "environment_id": "azureml:e:1",
        **properties,
    }
    return Wanted[BatchDeploymentProperties].model_validate({"properties": asked})


def faults(error: Invalid) -> dict[str | None, str]:
    """The sentences of a refusal by their targets."""
    return {detail.target: detail.message for detail in error.details}


@asynccontextmanager
async def opened(folder: Path, clock: HeldClock | None = None) -> AsyncIterator[ProvisioningStage]:
    """Opened again on the same folder, it is what a restart finds: all but the compute."""
    clock, compute = clock or HeldClock(), ToldCompute()
    store = SqliteResourceStore(folder / "documents.db", now=clock.unix)
    queue = SqliteWorkQueue(folder / "queues.db", now=clock.unix, max_delivery_count=10)
    blobs = FileBlobStore(folder, base_url="https://example.test:7443", key=b"k" * 32)
    in_use = AssetUse(store, SCOPE, ("onlineDeployment", "batchDeployment")).of
    registration = AssetRegistration(store, blobs, compute, clock, SCOPE, in_use=in_use)
    changed: list[str] = []
    sources = AssetSources(registration, blobs, compute, SCOPE)
    means = Means(store, queue, clock, SCOPE, outbox(store, queue, clock))
    online = online_activities(
        means, sources, compute, FernetCipher(folder / "cipher.key"), changed.append
    )
    computes = ComputeTargets(
        store, compute, clock, SCOPE, LOCATION, in_use=in_use, idle_time=timedelta(minutes=2)
    )
    batch = batch_activities(means, sources, compute, computes)
    stage = ProvisioningStage(
        folder,
        clock,
        compute,
        store,
        queue,
        blobs,
        registration,
        online,
        batch,
        Sweeping(store, clock, {**online.owners, **batch.owners}),
        Operations(store),
    )
    yield replace(stage, changed=changed)
    await blobs.close()
    await queue.close()
    await store.close()
