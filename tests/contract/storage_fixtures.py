"""The cloud family's stores: azure-cosmos and azure-storage-blob against servers on this
machine, or against what CLOUD_TESTS_COSMOS and CLOUD_TESTS_STORAGE are connection strings of
(Microsoft's emulators, or accounts for tests alone: whatever the suites' database and
containers hold is deleted)."""

import os
import secrets
from collections.abc import AsyncIterator

import pytest
from azure.cosmos.aio import CosmosClient

from domain.ports import BlobStore, ResourceStore
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.documents.cosmos_container import parse_connection_string
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from infra.cloud.patience import Patience
from tests.kit.waiting import PATIENCE
from tests.servers.processes import COSMOS_KEY, BlobServer, CosmosServer

__all__ = ["CLOUD_PAGE", "cloud_blobs", "cloud_store"]

COSMOS = "CLOUD_TESTS_COSMOS"
STORAGE = "CLOUD_TESTS_STORAGE"
CLOUD_PAGE = 20
"""Blobs in a page of a listing, so that few make many pages."""
_LONG = Patience(attempt=PATIENCE, budget=PATIENCE)
_DATABASE = "ml-endpoints-tests"
_CONTAINER = "contract"
_BLOB_CONTAINERS = ("system", "batch-inbox")


@pytest.fixture
async def cloud_store(request: pytest.FixtureRequest) -> AsyncIterator[ResourceStore]:
    given = _given(COSMOS)
    if given:
        store = CosmosResourceStore.from_connection_string(
            given, database=_DATABASE, container=_CONTAINER, create=True
        )
        await store.due(0)  # makes the container
        await _empty_container(given)
    else:
        server: CosmosServer = request.getfixturevalue("cosmos_server")
        store = CosmosResourceStore(
            server.endpoint,
            COSMOS_KEY,
            container=secrets.token_hex(8),
            create=True,
            patience=_LONG,
            client_options={"enable_endpoint_discovery": False},
        )
    yield store
    await store.close()


@pytest.fixture
async def cloud_blobs(request: pytest.FixtureRequest) -> AsyncIterator[BlobStore]:
    given = _given(STORAGE)
    if not given:
        server: BlobServer = request.getfixturevalue("blob_server")
        given = server.new_account()
    blobs = AzureBlobStore.from_connection_string(given, patience=_LONG, page_size=CLOUD_PAGE)
    if _given(STORAGE):
        for container in _BLOB_CONTAINERS:
            for name in [blob.name async for blob in blobs.list(container)]:
                await blobs.delete(container, name)
    yield blobs
    await blobs.close()


async def _empty_container(connection_string: str) -> None:
    async with CosmosClient(*parse_connection_string(connection_string)) as client:
        items = client.get_database_client(_DATABASE).get_container_client(_CONTAINER)
        found = [item async for item in items.query_items("SELECT c.id, c.pk FROM c")]
        for item in found:
            await items.delete_item(item["id"], item["pk"])


def _given(variable: str) -> str | None:
    text = os.environ.get(variable)
    if text and "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail(f"What {variable} names is for one test process: run pytest with -n 0")
    return text
