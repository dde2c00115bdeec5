"""A broker for all tests of a module, on the module's own event loop, and a queue of its own
for each test. Modules that use them skip themselves where python-qpid-proton is missing."""

import gc
import importlib
import itertools
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.kit.waiting import PATIENCE
from tests.servers.required import cloud_is_required

if TYPE_CHECKING:
    from tests.servers.service_bus.broker import Broker
    from tests.servers.service_bus.queue import Queue

if cloud_is_required():
    importlib.import_module("proton")

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker() -> "AsyncIterator[Broker]":
    from tests.servers.service_bus.broker import Broker
    from tests.servers.service_bus.quick import quick_sdk

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
def entity(broker: "Broker") -> "Iterator[Queue]":
    from tests.servers.service_bus.faults import Faults

    # No lock ends by itself while a test is at it, however slowly.
    yield broker.add(f"work-{next(_numbers)}", lock_duration=10 * PATIENCE)
    broker.faults = Faults()
