from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest_asyncio

from infra.cloud.service_bus import ServiceBus
from tests.infra.embedded.conftest import until
from tests.servers.service_bus.fixtures import broker, entity

if TYPE_CHECKING:
    from tests.servers.service_bus.broker import Broker

__all__ = ["broker", "entity", "until"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(broker: "Broker") -> AsyncIterator[ServiceBus]:
    bus = ServiceBus(connection_string=broker.connection_string)
    yield bus
    await bus.close()
