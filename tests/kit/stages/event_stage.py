"""What tests of events stand on: the whole application on the embedded stores in a folder, a
receiver that answers as a test says, and a pump in the place of the host's listeners."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.application import Application
from domain.events.delivery_record import DeliveryRecord
from domain.events.event_subscription import EventSubscription, EventSubscriptionProperties
from domain.ground.access import trusted
from domain.ground.messages import (
    BATCH_JOBS_QUEUE,
    EVENTS_QUEUE,
    PROVISIONING_QUEUE,
)
from domain.ground.resource import Stored, Wanted
from domain.ports import (
    EntityKind,
    EventMessage,
    EventTopics,
    Message,
    WorkQueue,
)
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from tests.kit.clocks import HeldClock
from tests.kit.composed import adapters, composed
from tests.kit.computes import ToldCompute
from tests.kit.mischief import Crash
from tests.kit.pumping_host import PumpingHost
from tests.kit.receiver import HOOK, Receiver
from tests.kit.scorers import ScriptedScorer
from tests.kit.stages.asset_stage import register_assets
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    batch_deployment,
    batch_endpoint,
    online_endpoint,
)

URL = "https://ml.example.test:7443"
QUEUES = (PROVISIONING_QUEUE, BATCH_JOBS_QUEUE, EVENTS_QUEUE)
_LOCK = timedelta(minutes=5)


@dataclass
class TopicList(EventTopics):
    """Topics and queues that are lists."""

    sent: list[tuple[EntityKind, str, EventMessage]] = field(default_factory=list)

    def fault(self, kind: EntityKind, entity: str) -> str | None:
        return None

    async def send(self, kind: EntityKind, entity: str, message: EventMessage) -> None:
        self.sent.append((kind, entity, message))


class MortalQueue(WorkQueue):
    """Ends the host when it is about to send to `dies_at`."""

    def __init__(self, queue: SqliteWorkQueue) -> None:
        self._queue = queue
        self.dies_at: str | None = None

    async def send(self, queue: str, *messages: Message) -> None:
        if queue == self.dies_at:
            raise Crash
        await self._queue.send(queue, *messages)


class EventStage:
    def __init__(self, folder: Path, clock: HeldClock) -> None:
        self.folder = folder
        self.clock = clock
        self.receiver = Receiver(clock)
        self.topics = TopicList()
        self.records: list[DeliveryRecord] = []
        self.compute = ToldCompute()
        self.live()

    def live(self) -> None:
        """What a start of the host makes of the disk."""
        self.store = SqliteResourceStore(self.folder / "documents.db", now=self.clock.unix)
        self.sqlite_queue = SqliteWorkQueue(
            self.folder / "queues.db", now=self.clock.unix, max_delivery_count=10
        )
        self.queue = MortalQueue(self.sqlite_queue)
        self.blobs = FileBlobStore(self.folder, base_url=URL, key=b"k" * 32)
        self.app: Application = composed(
            adapters(
                self.store,
                self.queue,
                self.blobs,
                self.clock,
                capabilities=self.compute,
                serving=self.compute,
                scorer=ScriptedScorer(),
                workers=self.compute,
                cipher=FernetCipher(self.folder / "cipher.key"),
                webhooks=self.receiver,
                topics=self.topics,
                on_settled=(self.records.append,),
            ),
            base_url=URL,
        )
        self.events = self.app.events
        self.host = PumpingHost(self.app, self.sqlite_queue, self.clock)

    async def die(self) -> None:
        await self.app.close()
        await self.sqlite_queue.close()
        await self.store.close()
        await self.blobs.close()

    async def restart(self) -> None:
        await self.die()
        self.live()

    # -- the host's part ----------------------------------------------------------------

    async def turn(self, queues: Sequence[str] = QUEUES) -> int:
        """Handle every message there is in `queues`, once; how many they were."""
        taken = await self.host.turn(queues)
        if self.host.failures:
            raise self.host.failures.pop()
        return taken

    async def settle(self, seconds: float = 5.0, *, step: float = 0.5) -> None:
        """So much time passes, with messages handled and the sweep made as a host does."""
        ends = self.clock.unix() + seconds
        while True:
            for _ in range(500):
                if not await self.turn():
                    break
            else:
                raise AssertionError("messages go on")
            if self.clock.unix() >= ends:
                return
            self.clock.move(step)
            await self.host.run("sweep")

    # -- what stands on it --------------------------------------------------------------

    async def subscribe(
        self, name: str = "sub", *, url: str = HOOK, active: bool = True, **properties: Any
    ) -> EventSubscription:
        """A subscription, Active by the time this returns."""
        stored, _ = await self.put_subscription(name, url=url, **properties)
        if active:
            await self.settle(3)
            stored = await self.events.subscriptions.resources.get(name)
            assert stored.resource.state.value == "Active", stored.resource.reason
        return stored.resource

    async def put_subscription(
        self, name: str = "sub", *, url: str = HOOK, **properties: Any
    ) -> tuple[Stored[EventSubscription], bool]:
        asked = EventSubscriptionProperties.model_validate(
            {
                "destination": {
                    "endpoint_type": "WebHook",
                    "properties": {"endpoint_url": url},
                },
                **properties,
            }
        )
        wanted = Wanted[EventSubscriptionProperties](properties=asked)
        return await self.events.subscriptions.put(name, wanted, CALLER, ANY)

    async def found(self, name: str = "sub") -> EventSubscription:
        return (await self.events.subscriptions.resources.get(name)).resource

    async def put_endpoint(self, name: str = "iris", **properties: Any) -> None:
        """A fact or two: an online endpoint is made, or changed."""
        await self.app.online.provisioning.put_endpoint(
            name, online_endpoint(**properties), trusted(CALLER), ANY
        )

    async def many_facts(self, count: int) -> None:
        for number in range(count):
            await self.put_endpoint(f"endpoint-{number}")

    async def register_assets(self) -> None:
        await register_assets(self.app.assets.registration, self.blobs)
        await self.blobs.write("workspaceblobstore", "data/a.csv", b"x")

    async def batch_endpoint(self, name: str = "irises") -> None:
        """With the default deployment `blue`, ready for jobs."""
        await self.register_assets()
        await self.app.batch.provisioning.put_endpoint(name, batch_endpoint(), trusted(CALLER), ANY)
        await self.settle(2)
        await self.app.batch.provisioning.put_deployment(
            name, "blue", batch_deployment(), trusted(CALLER), ANY
        )
        await self.settle(2)
        default = batch_endpoint(defaults={"deployment_name": "blue"})
        await self.app.batch.provisioning.put_endpoint(name, default, trusted(CALLER), ANY)
        await self.settle(2)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[EventStage]:
    stage = EventStage(folder, HeldClock())
    yield stage
    await stage.die()
