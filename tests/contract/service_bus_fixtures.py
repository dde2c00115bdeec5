"""The WorkQueue suite's cloud family: azure-servicebus against a broker of our own, or against
what CLOUD_TESTS_SERVICE_BUS is a connection string of (Microsoft's emulator, or a
namespace), which must have the queues that the suites use, and which they empty.
"""

import asyncio
import importlib.util
import json
import os
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from domain.ports import Message, WorkQueue
from infra.cloud.queues.service_bus import ServiceBus
from infra.cloud.queues.service_bus_consumer import ServiceBusConsumer
from infra.cloud.queues.service_bus_work_queue import ServiceBusWorkQueue
from tests.contract.recipient import Delivered, Recipient
from tests.kit.waiting import PATIENCE, patience
from tests.servers.required import without

__all__ = ["cloud_bus", "cloud_queue", "cloud_recipient", "cloud_sides"]

CONNECTION_STRING = "CLOUD_TESTS_SERVICE_BUS"
QUEUES = (
    "provisioning",
    "batch-jobs",
    "mini-batches",
    "blob-drops",
    "scaling",
    "scaling-looks",
    "schedules",
    "events",
)


class CloudRecipient:
    def __init__(self, queue: ServiceBusWorkQueue, consumer: ServiceBusConsumer) -> None:
        self._queue = queue
        self._consumer = consumer

    async def take(self, queue: str, count: int) -> Sequence[Delivered]:
        taken: list[Delivered] = []
        async with patience():
            while len(taken) < count:
                await self._consumer.wait(queue, PATIENCE)
                for message in await self._consumer.receive(queue, 1, timedelta(seconds=30)):
                    await self._consumer.complete(message.lock_token)
                    taken.append(Delivered(json.loads(message.body), message.properties))
        return taken

    async def is_empty(self, queue: str) -> bool:
        """What is there comes before a mark that is sent now."""
        await self._queue.send(queue, Message({"mark": True}))
        [first] = await self.take(queue, 1)
        return bool(first.body == {"mark": True})


@pytest.fixture
async def cloud_bus() -> AsyncIterator[ServiceBus]:
    """A namespace with empty queues."""
    given = os.environ.get(CONNECTION_STRING)
    if given:
        bus = ServiceBus(connection_string=given)
        await _empty(bus)
        yield bus
        await bus.close()
        return
    if importlib.util.find_spec("proton") is None:
        without("python-qpid-proton is not installed (`make test` installs it)")
    from tests.servers.service_bus.broker import Broker
    from tests.servers.service_bus.quick import quick_sdk

    broker = Broker(QUEUES, lock_duration=10 * PATIENCE)
    await broker.start()
    bus = ServiceBus(connection_string=broker.connection_string)
    with quick_sdk():
        yield bus
        await bus.close()
    await broker.stop()


@pytest.fixture
async def cloud_sides(
    cloud_bus: ServiceBus,
) -> AsyncIterator[tuple[ServiceBusWorkQueue, ServiceBusConsumer]]:
    queue, consumer = ServiceBusWorkQueue(cloud_bus), ServiceBusConsumer(cloud_bus)
    yield queue, consumer
    # To close a link takes up to a second: both at once.
    await asyncio.gather(queue.close(), consumer.close())


@pytest.fixture
def cloud_queue(cloud_sides: tuple[ServiceBusWorkQueue, ServiceBusConsumer]) -> WorkQueue:
    return cloud_sides[0]


@pytest.fixture
def cloud_recipient(cloud_sides: tuple[ServiceBusWorkQueue, ServiceBusConsumer]) -> Recipient:
    return CloudRecipient(*cloud_sides)


async def _empty(bus: ServiceBus) -> None:
    consumer = ServiceBusConsumer(bus)
    try:
        for queue in QUEUES:
            while await consumer.wait(queue, 1):
                for message in await consumer.receive(queue, 1, timedelta(seconds=30)):
                    await consumer.complete(message.lock_token)
    finally:
        await consumer.close()
