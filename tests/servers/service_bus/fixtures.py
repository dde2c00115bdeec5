"""A broker for all tests of a module, on the module's own event loop, and a queue of its own
for each test."""

import gc
import itertools
import warnings
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

pytest.importorskip("proton", reason="python-qpid-proton is not installed (`make test` does)")

from tests.servers.service_bus.broker import Broker
from tests.servers.service_bus.faults import Faults
from tests.servers.service_bus.queue import Queue
from tests.servers.service_bus.quick import quick_sdk

__all__ = ["broker", "entity"]

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker() -> AsyncIterator[Broker]:
    broker = Broker()
    await broker.start()
    with quick_sdk():
        yield broker
    await broker.stop()
    with warnings.catch_warnings():
        # The SDK never closes the transport of a connection that it lost.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def entity(broker: Broker) -> Iterator[Queue]:
    yield broker.add(f"work-{next(_numbers)}")
    broker.faults = Faults()
