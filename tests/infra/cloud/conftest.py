from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest_asyncio

from infra.cloud.queues.service_bus import ServiceBus
from tests.infra.cloud.storage_fixtures import blob_proxy, cosmos_proxy, open_blobs, open_store
from tests.servers.service_bus.fixtures import broker, entity

if TYPE_CHECKING:
    from tests.servers.service_bus.broker import Broker

__all__ = [
    "blob_proxy",
    "broker",
    "cosmos_proxy",
    "entity",
    "open_blobs",
    "open_store",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(broker: "Broker") -> AsyncIterator[ServiceBus]:
    bus = ServiceBus(connection_string=broker.connection_string)
    yield bus
    await bus.close()
