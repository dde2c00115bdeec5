"""The accounts in a subscription, or Microsoft's emulators, that the suites run over when the
environment names them. Whatever they hold is deleted."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from azure.cosmos.aio import CosmosClient

from domain.ports import BlobStore, ResourceStore
from infra.cloud.azure_blob_store import AzureBlobStore
from infra.cloud.cosmos_container import parse_connection_string
from infra.cloud.cosmos_resource_store import CosmosResourceStore

COSMOS = "ML_ENDPOINTS_TEST_COSMOS"
STORAGE = "ML_ENDPOINTS_TEST_STORAGE"
_DATABASE = "ml-endpoints-tests"
_CONTAINER = "contract"
_BLOB_CONTAINERS = ("system", "batch-inbox")


@asynccontextmanager
async def emptied_cosmos_container() -> AsyncIterator[ResourceStore]:
    text = _named(COSMOS)
    store = CosmosResourceStore.from_connection_string(
        text, database=_DATABASE, container=_CONTAINER, create=True
    )
    try:
        await store.due(0)  # makes the container
        async with CosmosClient(*parse_connection_string(text)) as client:
            items = client.get_database_client(_DATABASE).get_container_client(_CONTAINER)
            found = [item async for item in items.query_items("SELECT c.id, c.pk FROM c")]
            for item in found:
                await items.delete_item(item["id"], item["pk"])
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def emptied_storage_account() -> AsyncIterator[BlobStore]:
    blobs = AzureBlobStore.from_connection_string(_named(STORAGE))
    try:
        for container in _BLOB_CONTAINERS:
            for name in [blob.name async for blob in blobs.list(container)]:
                await blobs.delete(container, name)
        yield blobs
    finally:
        await blobs.close()


def is_any_account_named() -> bool:
    return any(os.environ.get(variable) for variable in (COSMOS, STORAGE))


def _named(variable: str) -> str:
    text = os.environ.get(variable)
    if not text:
        pytest.skip(f"{variable} names no account to test with (docs/testing.md)")
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip(f"the account that {variable} names is for one test process: use -n 0")
    return text
