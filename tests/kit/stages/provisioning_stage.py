"""What tests of the control plane stand on: the embedded stores in a folder, a compute whose
answers a test sets, and a pump in the place of the host's queue listener."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.application import Application
from domain.assets import asset
from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpointProperties
from domain.errors import Invalid
from domain.ground.access import trusted
from domain.ground.messages import PROVISIONING_QUEUE
from domain.ground.operation import Operation
from domain.ground.resource import Conditions, Wanted
from domain.online.online_deployment import OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpointProperties
from infra.composition.adapters import Adapters
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.rules.queue_consumer import Received
from tests.kit.clocks import HeldClock
from tests.kit.composed import ToldRoom, adapters, composed
from tests.kit.computes import ToldCompute
from tests.kit.pumping_host import PumpingHost
from tests.kit.scorers import ScriptedScorer
from tests.kit.stages.asset_stage import register_assets

BASE_URL = "https://example.test:7443"
ANY = Conditions()
CALLER = "a test"


@dataclass
class ProvisioningStage:
    folder: Path
    clock: HeldClock
    compute: ToldCompute
    store: SqliteResourceStore
    queue: SqliteWorkQueue
    blobs: FileBlobStore
    adapters: Adapters
    room: ToldRoom
    base_url: str = BASE_URL

    def __post_init__(self) -> None:
        self.live(composed(self.adapters, base_url=self.base_url))

    def live(self, application: Application) -> None:
        """Be a host of it."""
        self.application = application
        self.online, self.batch = application.online, application.batch
        self.registration = application.assets.registration
        self.host = PumpingHost(application, self.queue, self.clock)

    # -- the host's part ----------------------------------------------------------------

    async def messages(self) -> list[Received]:
        """Take every message off the queue, delayed ones too, by waiting them out."""
        self.clock.move(2)
        taken = await self.host.receive([PROVISIONING_QUEUE])
        for message in taken:
            await self.queue.complete(message.lock_token)
        return taken

    async def deliver(self, message: Received) -> None:
        """As often as a test wants to, and as late. Raises what its function raises."""
        await self.host.call(message)

    async def turn(self) -> int:
        """Deliver every message there is, once; how many they were."""
        self.clock.move(2)
        taken = await self.host.turn([PROVISIONING_QUEUE])
        if self.host.failures:
            raise self.host.failures.pop()
        return taken

    async def sweep(self) -> int:
        """How many documents somebody was found for."""
        return await self.application.sweeping.sweep()

    async def settle(self, turns: int = 50) -> None:
        """Deliver until nothing is left to do."""
        for _ in range(turns):
            if not await self.turn():
                return
        raise AssertionError(f"messages go on after {turns} turns")

    async def status(self, operation: Operation) -> str:
        return (await self.application.operations.get(operation.id)).status.value

    # -- what stands on it --------------------------------------------------------------

    async def register_assets(self) -> None:
        await register_assets(self.registration, self.blobs)

    async def register_mlflow(self, mlmodel: str, conda: str) -> None:
        """Model own:1, of these two files."""
        for name, text in {"MLmodel": mlmodel, "conda.yaml": conda}.items():
            await self.blobs.write("workspaceblobstore", f"mlflow/{name}", text.encode())
        uri = "azureml://datastores/workspaceblobstore/paths/mlflow"
        asked = asset.ModelVersionProperties(model_uri=uri, model_type=asset.ModelType.MLFLOW)
        await self.registration.put_version(asset.MODELS, "own", "1", asked, CALLER, ANY)

    async def put_endpoint(self, name: str = "iris", **properties: Any) -> Operation:
        wanted = online_endpoint(**properties)
        return (
            await self.online.provisioning.put_endpoint(name, wanted, trusted(CALLER), ANY)
        ).operation

    async def put_deployment(
        self, name: str = "blue", endpoint: str = "iris", **changes: Any
    ) -> Operation:
        wanted = online_deployment(**changes)
        accepted = await self.online.provisioning.put_deployment(
            endpoint, name, wanted, trusted(CALLER), ANY
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
async def opened(
    folder: Path, clock: HeldClock | None = None, *, base_url: str = BASE_URL, **others: Any
) -> AsyncIterator[ProvisioningStage]:
    """Opened again on the same folder, it is what a restart finds: all but the compute. `others`
    are adapters."""
    clock, compute, room = clock or HeldClock(), ToldCompute(), ToldRoom()
    store = SqliteResourceStore(folder / "documents.db", now=clock.unix)
    queue = SqliteWorkQueue(folder / "queues.db", now=clock.unix, max_delivery_count=10)
    blobs = FileBlobStore(folder, base_url=base_url, key=b"k" * 32)
    services = adapters(
        store,
        queue,
        blobs,
        clock,
        capabilities=compute,
        serving=compute,
        scorer=ScriptedScorer(),
        workers=compute,
        cipher=FernetCipher(folder / "cipher.key"),
        room=room,
        **others,
    )
    stage = ProvisioningStage(folder, clock, compute, store, queue, blobs, services, room, base_url)
    yield stage
    await stage.application.close()
    await blobs.close()
    await queue.close()
    await store.close()
