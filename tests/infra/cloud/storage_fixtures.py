"""Cosmos DB and Blob stores over the loopback servers, straight or through a fault proxy."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from infra.cloud.patience import Patience
from tests.kit.waiting import PATIENCE
from tests.servers.fault_proxy import FaultProxy
from tests.servers.processes import COSMOS_KEY, BlobServer, CosmosServer

LONG = Patience(budget=PATIENCE, attempt=PATIENCE, first_wait=0.01, longest_wait=0.05)
__all__ = ["blob_proxy", "cosmos_proxy", "open_blobs", "open_store"]


@pytest.fixture
async def cosmos_proxy(cosmos_server: CosmosServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(cosmos_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
async def blob_proxy(blob_server: BlobServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(f"http://127.0.0.1:{blob_server.port}") as proxy:
        yield proxy


@pytest.fixture
async def open_store() -> AsyncIterator[Callable[..., CosmosResourceStore]]:
    """Stores that are closed at the end: `open_store(endpoint, container=..., ...)`."""
    async with AsyncExitStack() as stack:

        def open_store(endpoint: str, **options: Any) -> CosmosResourceStore:
            client = {"enable_endpoint_discovery": False, **options.pop("client_options", {})}
            defaults = {"container": secrets.token_hex(8), "create": True, "patience": LONG}
            store = CosmosResourceStore(
                endpoint, COSMOS_KEY, client_options=client, **{**defaults, **options}
            )
            stack.push_async_callback(store.close)
            return store

        yield open_store


@pytest.fixture
async def open_blobs(
    blob_server: BlobServer,
) -> AsyncIterator[Callable[..., AzureBlobStore]]:
    """Stores on an account of the test's own: `open_blobs(through=proxy, ...)`."""
    connection = blob_server.new_account()
    async with AsyncExitStack() as stack:

        def open_blobs(through: FaultProxy | None = None, **options: Any) -> AzureBlobStore:
            text = connection
            if through is not None:
                text = text.replace(f"http://127.0.0.1:{blob_server.port}", through.url)
            blobs = AzureBlobStore.from_connection_string(text, **{"patience": LONG, **options})
            stack.push_async_callback(blobs.close)
            return blobs

        yield open_blobs
