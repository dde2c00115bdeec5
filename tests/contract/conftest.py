"""The adapters that the contract suites run over, by family. A family's adapters are made
only when one of its own tests asks, so that a missing service skips or fails nothing else.

    embedded    SQLite and files
    cloud       Azure's SDKs, against the servers on this machine
    azure       Azure's SDKs, against the accounts that the environment names (docs/testing.md)
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import BlobStore, ResourceStore, WorkQueue
from infra.cloud.azure_blob_store import AzureBlobStore
from infra.cloud.cosmos_resource_store import CosmosResourceStore
from infra.embedded.file_blob_store import FileBlobStore
from infra.embedded.sqlite_resource_store import SqliteResourceStore
from infra.embedded.sqlite_work_queue import SqliteWorkQueue
from tests import door_stage
from tests.contract.door_blob_store import DoorBlobStore
from tests.contract.recipient import Delivered, Recipient
from tests.contract.service_bus_fixtures import *  # noqa: F403 (the cloud family's queue)
from tests.contract.subscription import (
    emptied_cosmos_container,
    emptied_storage_account,
    is_any_account_named,
)
from tests.servers.processes import COSMOS_KEY, BlobServer, CosmosServer

_CLOUD_PAGE = 20

CLOUD = pytest.param("cloud", marks=pytest.mark.cloud)
# One line for a suite that is skipped, not one for each test: test_subscription.py has it.
AZURE = [pytest.param("azure", marks=pytest.mark.cloud)] if is_any_account_named() else []


@pytest.fixture(params=["embedded", CLOUD, *AZURE])
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["embedded", pytest.param("cloud", marks=pytest.mark.cloud)])
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


@pytest.fixture(params=["embedded", pytest.param("door", marks=LONG_BODIES), CLOUD, *AZURE])
def blob_family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def blobs(blob_family: str, request: pytest.FixtureRequest) -> BlobStore:
    adapter: BlobStore = request.getfixturevalue(f"{blob_family}_blobs")
    return adapter


@pytest.fixture
def many(family: str) -> int:
    """How many blobs or blocks are many: more than one page of a listing has. (Node.js takes
    some milliseconds for each.)"""
    return 1100 if family == "embedded" else 10 * _CLOUD_PAGE + 1


@pytest.fixture
async def embedded_store(tmp_path: Path) -> AsyncIterator[ResourceStore]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    yield store
    await store.close()


@pytest.fixture
async def embedded_queue(tmp_path: Path) -> AsyncIterator[SqliteWorkQueue]:
    queue = SqliteWorkQueue(tmp_path / "queues.db")
    yield queue
    await queue.close()


class EmbeddedRecipient:
    def __init__(self, queue: SqliteWorkQueue) -> None:
        self._queue = queue

    async def take(self, queue: str, count: int) -> Sequence[Delivered]:
        taken: list[Delivered] = []
        async with asyncio.timeout(30):
            while len(taken) < count:
                await self._queue.wait(queue, 30)
                for message in await self._queue.receive(queue, count, timedelta(seconds=30)):
                    await self._queue.complete(message.lock_token)
                    traceparent = message.properties.get("traceparent")
                    taken.append(Delivered(json.loads(message.body), traceparent))
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


@pytest.fixture
async def cloud_store(cosmos_server: CosmosServer) -> AsyncIterator[ResourceStore]:
    store = CosmosResourceStore(
        cosmos_server.endpoint,
        COSMOS_KEY,
        container=secrets.token_hex(8),
        create=True,
        client_options={"enable_endpoint_discovery": False},
    )
    yield store
    await store.close()


@pytest.fixture
async def cloud_blobs(blob_server: BlobServer) -> AsyncIterator[BlobStore]:
    blobs = AzureBlobStore.from_connection_string(blob_server.new_account(), page_size=_CLOUD_PAGE)
    yield blobs
    await blobs.close()


@pytest.fixture
async def azure_store() -> AsyncIterator[ResourceStore]:
    async with emptied_cosmos_container() as store:
        yield store


@pytest.fixture
async def azure_blobs() -> AsyncIterator[BlobStore]:
    async with emptied_storage_account() as blobs:
        yield blobs
