"""What every test shares: how properties are tried, how tests are dealt out to processes, and the
servers that stand in for Azure on this machine, one of each for a test process, started when a
test first asks."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.kit.hosts.forking import close_forks
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
_TOGETHER = ("tests/architecture/",)
"""Folders whose files stay with one process too: what they look at is read once."""


class Dealing(LoadFileScheduling):
    """By file, or by folder."""

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, _TOGETHER), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Dealing:
    return Dealing(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Nothing that is collected goes before the end: no garbage is looked for among it."""
    gc.disable()
    if session.config.args == ["tests"]:
        session.config.args[:] = _parts(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))


def _parts(process: int) -> list[str]:
    """Each process begins elsewhere, so that what one has compiled is there for the others."""
    parts = sorted(
        f"tests/{part.name}" for part in [*ROOT.glob("[a-z]*/"), *ROOT.glob("test_*.py")]
    )
    first = process * len(parts) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return parts[first:] + parts[:first]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    close_forks()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, str]:
    path = item.nodeid.partition("::")[0].removeprefix("tests/")
    turns = (n for n, start in enumerate(_LONGEST_FIRST) if path.startswith(start))
    return next(turns, len(_LONGEST_FIRST)), path


@pytest.fixture(scope="session", autouse=True)
def _no_keyring() -> Iterator[None]:
    """Nothing of tests goes into the keyring of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        yield


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
