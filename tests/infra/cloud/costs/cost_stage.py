"""The whole application on the cloud adapters, all that they ask of Azure counted.

Messages are handled one at a time, and delays are over at once: a count holds no race, and
none of the looks that come with the hours of a clock."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from domain.assets import asset
from domain.assets.datastore import INBOX
from domain.events.event_subscription import EventSubscriptionProperties
from domain.ground.access import trusted
from domain.ground.messages import (
    BATCH_JOBS_QUEUE,
    BLOB_DROPS_QUEUE,
    EVENTS_QUEUE,
    MINI_BATCHES_QUEUE,
    PROVISIONING_QUEUE,
)
from domain.ground.resource import Wanted
from domain.jobs.records.job_request import JobProperties, RequestedInput
from domain.jobs.records.job_times import JobTimes
from domain.ports import (
    Instance,
    MiniBatchResult,
    ScoringRequest,
    ScoringResponse,
    UnitOutcome,
    UnitRequest,
)
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.cipher import SettingCipher
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from infra.cloud.patience import Patience
from infra.cloud.queues import service_bus
from infra.cloud.queues.service_bus import ServiceBus
from infra.cloud.queues.service_bus_consumer import ServiceBusConsumer
from infra.cloud.queues.service_bus_work_queue import ServiceBusWorkQueue
from infra.composition.adapters import Adapters
from infra.compute.local.instances.life_meter import LifeMeter
from infra.web.client_standing import UnsaidStanding
from infra.web.no_clients import ENTRAS_IDENTITIES
from infra.web.no_sign_ins import NoSignIns
from infra.web.token_rights import ClaimedRoles
from infra.web.token_verifier import JwtVerifier, StaticKeys
from tests.infra.cloud.cloud_costs import CloudCosts, Counted, Operation
from tests.kit.clocks import HeldClock, hold_durations
from tests.kit.composed import adapters, composed
from tests.kit.computes import ReadyCompute
from tests.kit.pumping_host import PumpingHost
from tests.kit.receiver import HOOK, Receiver
from tests.kit.scorers import ScriptedScorer
from tests.kit.stages.gateway_stage import AUDIENCE, ISSUER, URL, Gateway, jwks
from tests.kit.stages.provisioning_stage import ANY, CALLER, batch_deployment, batch_endpoint
from tests.kit.waiting import PATIENCE
from tests.servers.processes import COSMOS_KEY, BlobServer, CosmosServer

if TYPE_CHECKING:
    from tests.servers.service_bus.broker import Broker

STORE = "workspaceblobstore"
ARRIVAL = "arrival"
QUEUES = (
    PROVISIONING_QUEUE,
    MINI_BATCHES_QUEUE,
    BATCH_JOBS_QUEUE,
    BLOB_DROPS_QUEUE,
    EVENTS_QUEUE,
)
"""In the order in which they are emptied: a job is looked at when no unit is left."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_LOCK = timedelta(seconds=30)
# What is asked again is counted again: nothing is for being slow.
_BUS = service_bus.Patience(attempt=PATIENCE, budget=PATIENCE)
_STORES = Patience(attempt=PATIENCE, budget=PATIENCE)


@dataclass
class Bill:
    """What was asked, piece by piece: by which `work` (a queue, whose message was handled,
    or a name that the test gave), of Cosmos DB and Blob, and of Service Bus."""

    pieces: list[tuple[str, Counted, Mapping[str, int]]] = field(default_factory=list)

    def only(self, work: str) -> "Bill":
        return Bill([piece for piece in self.pieces if piece[0] == work])

    @property
    def operations(self) -> list[Operation]:
        return [operation for _, counted, _ in self.pieces for operation in counted.operations]

    @property
    def bus(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for _, _, bus in self.pieces:
            total.update(bus)
        return total

    @property
    def partitions(self) -> set[str]:
        return set().union(*(counted.partitions for _, counted, _ in self.pieces))

    @property
    def largest_document(self) -> int:
        return max((counted.largest_document for _, counted, _ in self.pieces), default=0)


class CloudScorer(ScriptedScorer):
    """A request takes an instance these times in turn, each for two of them, whatever it took:
    what a host counts has a number for every band of latencies that it met, and grows with
    their spread."""

    _TIMES = tuple(0.005 * 1.1**n for n in range(10))

    def __init__(self, durations: HeldClock) -> None:
        super().__init__()
        self._durations = durations
        self._met: Counter[str] = Counter()

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        self._durations.move(self._TIMES[self._met[instance.id] // 2 % len(self._TIMES)])
        self._met[instance.id] += 1
        return await super().score(instance, request, timeout=timeout)


class CloudCompute(ReadyCompute):
    """Scores a unit as runtime/ does over the network: each input is downloaded from its
    signed URL and the rows, one a file, are put as one block. That is counted too. `seconds` are
    what it says of each mini-batch."""

    seconds = 0.1

    def __init__(self, http: httpx.AsyncClient, costs: CloudCosts) -> None:
        super().__init__()
        self._http = http
        self._costs = costs

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        rows: list[str] = []
        results: list[MiniBatchResult] = []
        for mini_batch in request.mini_batches:
            for given in mini_batch.inputs:
                reply = await self._http.get(given.url)
                assert reply.status_code == 200, reply.text
                self._costs.add(Operation("blob get blob (worker)", reply.status_code))
                rows.append(f"{given.name},0,{len(reply.content)}\n")
            returned = len(mini_batch.inputs)
            results.append(MiniBatchResult(mini_batch.ordinal, True, returned, 1, self.seconds))
        content = "".join(rows).encode()
        assert request.block_url is not None
        reply = await self._http.put(request.block_url, content=content)
        assert reply.status_code == 201, reply.text
        self._costs.add(Operation("blob put block (worker)", reply.status_code))
        columns = ("input_file", "input_row", "prediction")
        return UnitOutcome(tuple(results), len(rows), len(content), "", columns)


class CostStage:
    """One application, its HTTP door, and a pump in the place of the host's listeners."""

    def __init__(
        self,
        adapters: Adapters,
        costs: CloudCosts,
        broker: "Broker",
        consumer: ServiceBusConsumer,
        clock: HeldClock,
        worker: CloudCompute,
    ) -> None:
        self.worker = worker
        self.blobs = adapters.blobs
        self.meter = LifeMeter(clock.unix)
        self.clock = clock
        self._adapters = replace(adapters, meter=self.meter)
        self._costs = costs
        self._broker = broker
        self._consumer = consumer
        self._compose(JobTimes())

    def _compose(self, times: JobTimes) -> None:
        self.application = composed(self._adapters, times, base_url=URL)
        self.host = PumpingHost(self.application, self._consumer, self.clock)
        self.gateway = Gateway(self.application, self.host, self.host.client(URL))

    async def go_by(self, times: JobTimes) -> None:
        """Another host takes the place of this one, whose jobs go by `times`."""
        await self.close()
        self._compose(times)

    async def close(self) -> None:
        await self.gateway.http.aclose()
        await self.application.close()

    # -- counting -----------------------------------------------------------------------

    @contextmanager
    def billed(self, bill: Bill, work: str = "call") -> Iterator[None]:
        broker = self._broker
        before = (broker.transfers, broker.dispositions, broker.requests)
        with self._costs.counting() as counted:
            yield
        after = (broker.transfers, broker.dispositions, broker.requests)
        sent, settled, asked = (a - b for a, b in zip(after, before, strict=True))
        assert not asked, "the management link is not for everyday work"
        bill.pieces.append((work, counted, {"sends": sent, "settlements": settled}))

    async def pump(self, bill: Bill, queues: Sequence[str] = QUEUES, most: int = 1000) -> None:
        """Handle messages of `queues` until none is left, or `most` of them."""
        for _ in range(most):
            queue = next((q for q in queues if self._broker.queue(q).counts().active), None)
            if queue is None:
                return
            await self._consumer.wait(queue, PATIENCE)
            for message in await self._consumer.receive(queue, 1, _LOCK):
                self.clock.move(0 if queue == MINI_BATCHES_QUEUE else 3)
                with self.billed(bill, queue):
                    await self.host.deliver(message)
                assert not self.host.failures, self.host.failures
                bill.pieces.append((queue, Counted(), {"deliveries": 1}))
        assert most < 1000, "messages go on"

    # -- what is done -------------------------------------------------------------------

    async def register_assets(self) -> None:
        for name in ("model.bin", "src/score.py"):
            await self.blobs.write(STORE, name, b"x")
        at = f"azureml://datastores/{STORE}/paths"
        conda = "dependencies: [python, {pip: [joblib]}]"
        wanted: list[tuple[asset.AssetKind, str, asset.VersionProperties]] = [
            (asset.MODELS, "m", asset.ModelVersionProperties(model_uri=f"{at}/model.bin")),
            (asset.CODES, "c", asset.CodeVersionProperties(code_uri=f"{at}/src")),
            (asset.ENVIRONMENTS, "e", asset.EnvironmentVersionProperties(conda_file=conda)),
        ]
        for kind, name, properties in wanted:
            await self.application.assets.registration.put_version(
                kind, name, "1", properties, CALLER, ANY
            )

    async def arm(self, method: str, path: str, properties: Mapping[str, Any]) -> Bill:
        """A control-plane write through the HTTP door, until its operation has ended."""
        bill = Bill()
        with self.billed(bill):
            reply = await self.gateway.arm(method, path, {"properties": properties})
            assert reply.status_code in (200, 201, 202), reply.text
        await self.pump(bill)
        return bill

    async def put_deployment(self, name: str) -> Bill:
        properties = {
            "model": "azureml:m:1",
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
            "environmentId": "azureml:e:1",
        }
        return await self.arm("PUT", f"onlineEndpoints/iris/deployments/{name}", properties)

    async def subscribe(self) -> None:
        """One webhook that is told of everything, Active."""
        asked = EventSubscriptionProperties.model_validate(
            {"destination": {"endpoint_type": "WebHook", "properties": {"endpoint_url": HOOK}}}
        )
        wanted = Wanted[EventSubscriptionProperties](properties=asked)
        await self.application.events.subscriptions.put("sub", wanted, CALLER, ANY)
        await self.pump(Bill())
        found = await self.application.events.subscriptions.resources.get("sub")
        assert found.resource.state.value == "Active", found.resource.reason

    async def batch_endpoint(self, **settings: Any) -> None:
        """The endpoint `irises` with a default deployment."""
        batch, unbilled = self.application.batch.provisioning, Bill()
        await batch.put_endpoint("irises", batch_endpoint(), trusted(CALLER), ANY)
        await self.pump(unbilled)
        await batch.put_deployment(
            "irises", "blue", batch_deployment(**settings), trusted(CALLER), ANY
        )
        await self.pump(unbilled)
        default = batch_endpoint(defaults={"deployment_name": "blue"})
        await batch.put_endpoint("irises", default, trusted(CALLER), ANY)
        await self.pump(unbilled)

    async def job(self, files: int) -> Bill:
        """A job over so many files, from its invocation to its end."""
        name, bill = f"job-{files:03}", Bill()
        await self._upload(name, files)
        with self.billed(bill):
            await self._invoke(name)
        await self.pump(bill)
        view = await self.application.jobs.collection.get(name)
        assert view.job.status.value == "Completed", view.job.error
        return bill

    async def look_at_job(self) -> Bill:
        """One look at a job that is running, and is left so."""
        await self._upload("looked-at", 4)
        await self._invoke("looked-at")
        await self.pump(Bill(), [BATCH_JOBS_QUEUE], most=1)
        bill = Bill()
        await self.pump(bill, [BATCH_JOBS_QUEUE], most=1)
        view = await self.application.jobs.collection.get("looked-at")
        assert view.job.status.value == "Running", view.job.error
        return bill

    async def _upload(self, folder: str, files: int) -> None:
        for number in range(files):
            await self.blobs.write(STORE, f"{folder}/{number:04}.txt", b"five\n")

    async def _invoke(self, name: str) -> None:
        uri = f"azureml://datastores/{STORE}/paths/{name}"
        given = {"data": RequestedInput(job_input_type="UriFolder", uri=uri)}
        asked = JobProperties(name=name, input_data=given)
        await self.application.jobs.invocation.invoke("irises", asked, caller=trusted(CALLER))

    async def drop(self, files: int, *, apart: float = 0.0) -> Bill:
        """So many files are dropped, `apart` seconds one after another, until the drop has
        started its job, which is left waiting."""
        bill, names = Bill(), [f"irises/{secrets.token_hex(8)}.txt" for _ in range(files)]
        dropped = [await self.blobs.write(INBOX, name, b"five\n") for name in names]
        for blob in dropped:
            with self.billed(bill, ARRIVAL):
                await self.host.arrive(self.blobs, INBOX, blob)
            self.clock.move(apart)
        await self.pump(bill, [BLOB_DROPS_QUEUE])
        return bill


@asynccontextmanager
async def opened(cosmos: CosmosServer, blob_server: BlobServer) -> AsyncIterator[CostStage]:
    """With a container of Cosmos DB, a storage account and a namespace of its own. It takes
    python-qpid-proton."""
    from tests.servers.service_bus.broker import Broker
    from tests.servers.service_bus.quick import quick_sdk

    broker = Broker(QUEUES, lock_duration=10 * PATIENCE)
    await broker.start()
    try:
        with quick_sdk():
            async with _application_on(cosmos, blob_server.new_account(), broker) as stage:
                yield stage
    finally:
        await broker.stop()


@asynccontextmanager
async def _application_on(
    cosmos: CosmosServer, storage: str, broker: "Broker"
) -> AsyncIterator[CostStage]:
    costs, clock = CloudCosts(), HeldClock()
    async with AsyncExitStack() as stack:
        bus = ServiceBus(connection_string=broker.connection_string)
        stack.push_async_callback(bus.close)
        # What is scheduled for later is due at once.
        queue = ServiceBusWorkQueue(bus, patience=_BUS, now=lambda: LONG_AGO)
        stack.push_async_callback(queue.close)
        consumer = ServiceBusConsumer(bus, patience=_BUS)
        stack.push_async_callback(consumer.close)
        store = CosmosResourceStore(
            cosmos.endpoint,
            COSMOS_KEY,
            container=secrets.token_hex(8),
            create=True,
            patience=_STORES,
            client_options={"enable_endpoint_discovery": False, "transport": costs.cosmos()},
        )
        stack.push_async_callback(store.close)
        blobs = AzureBlobStore.from_connection_string(
            storage, patience=_STORES, client_options={"transport": costs.blob()}
        )
        stack.push_async_callback(blobs.close)
        outside = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
        durations = hold_durations(stack.enter_context(pytest.MonkeyPatch.context()))
        worker = CloudCompute(outside, costs)
        services = adapters(
            store,
            queue,
            blobs,
            clock,
            capabilities=worker,
            serving=worker,
            scorer=CloudScorer(durations),
            workers=worker,
            cipher=SettingCipher("a key for tests alone"),
            scoring_verifier=JwtVerifier(
                (ISSUER,), (AUDIENCE,), StaticKeys(jwks), UnsaidStanding(), ClaimedRoles()
            ),
            webhooks=Receiver(clock),
            sign_ins=NoSignIns(),
            identities_elsewhere=ENTRAS_IDENTITIES,
        )
        stage = CostStage(services, costs, broker, consumer, clock, worker)
        stack.push_async_callback(stage.close)
        yield stage
