"""What every test shares: how properties are tried, and the servers that stand in for Azure on
this machine, one of each for a test process, started when a test first asks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.install import ServersMissing
from tests.servers.processes import BlobServer, CosmosServer, NodeServer
from tests.servers.required import without

# A busy machine makes no property false, and examples come slowly there.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

Server = TypeVar("Server", bound=NodeServer)

ROOT = Path(__file__).parent
# A file stays with one process: those that take longest begin first, so that none is left
# alone with one at the end.
_LONGEST_FIRST = (
    "cloud/",
    "e2e/test_succession.py",
    "e2e/batch/test_batch_chaos.py",
    "e2e/host/",
    "e2e/",
    "runtime/online/test_inference_server.py",
    "runtime/online/test_pyfunc.py",
    "worker/",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    path = item.path.relative_to(ROOT).as_posix()
    turns = (n for n, start in enumerate(_LONGEST_FIRST) if path.startswith(start))
    return next(turns, len(_LONGEST_FIRST))


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
