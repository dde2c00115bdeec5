"""The adapters that the contract suites run over, by family. A family's adapters are made
only when one of its own tests asks, so that a missing service skips or fails nothing else.

    embedded    SQLite and files
    memory      what the simulation stands on (tests/simulation)
    cloud       Azure's SDKs, against servers on this machine, or against what the environment
                has connection strings of (CONTRIBUTING.md)

Where models run is another family of its own: `local`, in compute_fixtures.py.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.ports import BlobStore, ResourceStore, WorkQueue
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from tests.contract.compute_fixtures import *  # noqa: F403 (where models run)
from tests.contract.door_blob_store import DoorBlobStore
from tests.contract.recipient import Delivered, Recipient
from tests.contract.service_bus_fixtures import *  # noqa: F403 (the cloud family's queue)
from tests.contract.storage_fixtures import *  # noqa: F403 (the cloud family's stores)
from tests.contract.storage_fixtures import CLOUD_PAGE
from tests.kit.stages import door_stage
from tests.kit.waiting import PATIENCE, eventually, patience
from tests.simulation.stores.memory_blob_store import MemoryBlobStore
from tests.simulation.stores.memory_resource_store import MemoryResourceStore
from tests.simulation.stores.memory_work_queue import MemoryWorkQueue

CLOUD = pytest.param("cloud", marks=pytest.mark.cloud)


@pytest.fixture(params=["embedded", "memory", CLOUD])
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["embedded", "memory", CLOUD])
def queue_family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def store(family: str, request: pytest.FixtureRequest) -> ResourceStore:
    adapter: ResourceStore = request.getfixturevalue(f"{family}_store")
    return adapter


@pytest.fixture
def queue(queue_family: str, request: pytest.FixtureRequest) -> WorkQueue:
    adapter: WorkQueue = request.getfixturevalue(f"{queue_family}_queue")
    return adapter


@pytest.fixture
def recipient(queue_family: str, request: pytest.FixtureRequest) -> Recipient:
    """The consumer of what `queue` sends."""
    consumer: Recipient = request.getfixturevalue(f"{queue_family}_recipient")
    return consumer


# Azure's client sends a long block list in one piece.
LONG_BODIES = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture(params=["embedded", "memory", pytest.param("door", marks=LONG_BODIES), CLOUD])
def blob_family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def blobs(blob_family: str, request: pytest.FixtureRequest) -> BlobStore:
    adapter: BlobStore = request.getfixturevalue(f"{blob_family}_blobs")
    return adapter


@pytest.fixture
def lending_blobs(blob_family: str, blobs: BlobStore) -> BlobStore:
    """One whose blobs other processes can read."""
    if blob_family == "memory":
        pytest.skip("nobody else reads what is in this process's memory")
    return blobs


@pytest.fixture
def many(blob_family: str) -> int:
    """How many blobs or blocks are many: more than one page of a listing has. (Node.js takes
    some milliseconds for each.)"""
    return 1100 if blob_family in ("embedded", "memory") else 10 * CLOUD_PAGE + 1


@pytest.fixture
async def embedded_store(tmp_path: Path) -> AsyncIterator[ResourceStore]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    yield store
    await store.close()


@pytest.fixture
async def embedded_queue(tmp_path: Path) -> AsyncIterator[SqliteWorkQueue]:
    queue = SqliteWorkQueue(tmp_path / "queues.db", max_delivery_count=10)
    yield queue
    await queue.close()


class EmbeddedRecipient:
    def __init__(self, queue: SqliteWorkQueue) -> None:
        self._queue = queue

    async def take(self, queue: str, count: int) -> Sequence[Delivered]:
        taken: list[Delivered] = []
        async with patience():
            while len(taken) < count:
                await self._queue.wait(queue, PATIENCE)
                for message in await self._queue.receive(queue, count, timedelta(seconds=PATIENCE)):
                    await self._queue.complete(message.lock_token)
                    taken.append(Delivered(json.loads(message.body), message.properties))
        return taken

    async def is_empty(self, queue: str) -> bool:
        return (await self._queue.counts(queue)).active == 0


@pytest.fixture
def embedded_recipient(embedded_queue: SqliteWorkQueue) -> Recipient:
    return EmbeddedRecipient(embedded_queue)


@pytest.fixture
async def embedded_blobs(tmp_path: Path) -> AsyncIterator[BlobStore]:
    blobs = FileBlobStore(tmp_path, base_url="https://127.0.0.1:7443", key=b"k" * 32)
    yield blobs
    await blobs.close()


@pytest.fixture
def memory_store() -> ResourceStore:
    return MemoryResourceStore(time.time)


@pytest.fixture
def memory_queue() -> MemoryWorkQueue:
    return MemoryWorkQueue(time.time)


class MemoryRecipient:
    def __init__(self, queue: MemoryWorkQueue) -> None:
        self._queue = queue

    async def take(self, queue: str, count: int) -> Sequence[Delivered]:
        taken: list[Delivered] = []

        async def received() -> bool:
            for message in await self._queue.receive(queue, count, timedelta(seconds=PATIENCE)):
                await self._queue.complete(message.lock_token)
                taken.append(Delivered(json.loads(message.body), message.properties))
            return len(taken) >= count

        await eventually(received)
        return taken

    async def is_empty(self, queue: str) -> bool:
        return not await self._queue.wait(queue, 0)


@pytest.fixture
def memory_recipient(memory_queue: MemoryWorkQueue) -> Recipient:
    return MemoryRecipient(memory_queue)


@pytest.fixture
def memory_blobs() -> BlobStore:
    return MemoryBlobStore(lambda: datetime.now(UTC))


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[door_stage.DoorServer]:
    with door_stage.serving(tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture
async def door_blobs(door: door_stage.DoorServer, tmp_path: Path) -> AsyncIterator[BlobStore]:
    """Azure's client at the embedded store's signed URLs, over TLS."""
    with door.opened(tmp_path) as store:
        blobs = DoorBlobStore(store, door.ca)
        yield blobs
        await blobs.close()
