"""The Cosmos DB container that holds the documents, and the client that reaches it.

An item:

    id, pk          the document's id; its partition, which is the partition key
    kind, place     what a query asks for and pages by: `place` is the partition, U+0000, the
                    id, so that one string has the order of (partition, id)
    body            the document's body and its schema, not indexed
    due_at, ttl     only where set; no `due_at`, no entry in its index
    write           a token of the transaction that wrote it
"""

import asyncio
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from domain import errors
from infra.cloud.faults import Fault, fault
from infra.cloud.patience import Patience

PARTITION_KEY = "/pk"
DEFAULT_TTL = -1
"""Times to live are on; an item without one stays."""
INDEXING_POLICY: dict[str, Any] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/kind/?"}, {"path": "/place/?"}, {"path": "/due_at/?"}],
    "excludedPaths": [{"path": "/*"}],
    "compositeIndexes": [
        [{"path": "/kind", "order": "ascending"}, {"path": "/place", "order": "ascending"}]
    ],
}
"""Four index entries a write, however large the body. The composite index answers pages of a
kind in order, either way, without a sort."""

_CONNECT_WAIT = 5


class CosmosContainer:
    """`credential` is a key, or an identity that its owner closes. With `create`, database
    and container are made if they are not there (it takes a key: Azure lets no data-plane
    role do that). `client_options` go to the SDK's client."""

    def __init__(
        self,
        endpoint: str,
        credential: str | AsyncTokenCredential,
        *,
        database: str,
        name: str,
        create: bool,
        patience: Patience,
        client_options: dict[str, Any],
    ) -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._database = database
        self._name = name
        self._create = create
        self._patience = patience
        self._options = client_options
        self._opening = asyncio.Lock()
        self._client: CosmosClient | None = None
        self._container: ContainerProxy | None = None

    async def opened(self) -> ContainerProxy:
        """The container, whose client is opened by the first call and kept."""
        if self._container is None:
            async with self._opening:
                if self._container is None:
                    self._container = await self._patience.through(self._open, self._meaning)
        return self._container

    async def close(self) -> None:
        async with self._opening:
            client, self._client, self._container = self._client, None, None
            if client is not None:
                await client.close()

    async def _open(self) -> ContainerProxy:
        client = CosmosClient(
            self._endpoint,
            self._credential,
            # Patience retries; the SDK still moves between an account's regions. Its 0 would
            # mean its default of 9 tries.
            retry_total=0,
            retry_connect=0,
            retry_read=0,
            retry_status=0,
            retry_throttle_total=-1,
            connection_timeout=_CONNECT_WAIT,
            read_timeout=self._patience.attempt,
            # Else every character outside ASCII takes six bytes or more.
            enable_compact_utf8_item_writes=True,
            **self._options,
        )
        try:
            await client.__aenter__()
            if self._create:
                database = await client.create_database_if_not_exists(self._database)
                await database.create_container_if_not_exists(
                    self._name,
                    PartitionKey(PARTITION_KEY),
                    indexing_policy=INDEXING_POLICY,
                    default_ttl=DEFAULT_TTL,
                )
        except BaseException:  # cancelled too: nobody has it who could close it
            await client.close()
            raise
        self._client = client
        return client.get_database_client(self._database).get_container_client(self._name)

    def _meaning(self, error: Exception) -> Fault:
        return fault(error, f"Cosmos DB at {self._endpoint}")


def parse_connection_string(text: str) -> tuple[str, str]:
    """Endpoint and key. Raises Invalid, without the text: it is a secret."""
    parts = dict(
        part.strip().split("=", 1) for part in text.strip().split(";") if "=" in part.strip()
    )
    try:
        return parts["AccountEndpoint"], parts["AccountKey"]
    except KeyError as missing:
        raise errors.Invalid(
            f"A connection string of Cosmos DB has AccountEndpoint=...;AccountKey=...; this one"
            f" has no {missing.args[0]}."
        ) from None
