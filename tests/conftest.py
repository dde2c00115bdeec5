"""What every test shares: how properties are tried, and the servers that stand in for Azure on
this machine, one of each for a test process, started when a test first asks."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from hypothesis import settings

from tests.servers.install import ServersMissing
from tests.servers.processes import BlobServer, CosmosServer, NodeServer
from tests.servers.required import without

# A busy machine makes no property false.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

Server = TypeVar("Server", bound=NodeServer)


@pytest.fixture(scope="session")
def cosmos_server() -> Iterator[CosmosServer]:
    yield from _running(CosmosServer)


@pytest.fixture(scope="session")
def blob_server() -> Iterator[BlobServer]:
    yield from _running(BlobServer)


def _running(start: Callable[[], Server]) -> Iterator[Server]:
    try:
        server = start()
    except ServersMissing as missing:
        without(str(missing))
    with server:
        yield server
