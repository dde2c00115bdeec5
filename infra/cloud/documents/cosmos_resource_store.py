"""The ResourceStore port on one Cosmos DB container.

Reading by id is a point read; every write is one transactional batch of one partition; only
`query` and `due` ask the query engine, by an index that has the answer's order."""

import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Self

from azure.core.credentials_async import AsyncTokenCredential

from domain import errors
from domain.ports import Create, Document, Page, ResourceStore, Write
from infra.cloud.documents.cosmos_container import CosmosContainer, parse_connection_string
from infra.cloud.documents.cosmos_transaction import (
    CosmosTransaction,
    document_etag,
    meaning,
    place,
)
from infra.cloud.patience import Patience
from infra.rules import document_rules, due_documents
from infra.rules.continuations import Continuations

_PATIENCE = Patience()
_FIELDS = "c.pk, c.id, c.body, c.due_at, c._etag"
_Item = Mapping[str, Any]
_CONTINUATION_PARTITION = "system/continuations"
_CONTINUATION_ID = "key"


class CosmosResourceStore(ResourceStore):
    """Documents in `container` of `database` of the account at `endpoint`.

    The account's consistency must be Strong, or Bounded Staleness in one region: a message
    may be handled by another process than the one that saved what it names."""

    def __init__(
        self,
        endpoint: str,
        credential: str | AsyncTokenCredential,
        *,
        database: str = "ml-endpoints",
        container: str = "resources",
        create: bool = False,
        patience: Patience = _PATIENCE,
        client_options: dict[str, Any] | None = None,
    ) -> None:
        self._patience = patience
        self._container = CosmosContainer(
            endpoint,
            credential,
            database=database,
            name=container,
            create=create,
            patience=self._patience,
            client_options=client_options or {},
        )
        self._continuations: Continuations | None = None

    @classmethod
    def from_connection_string(cls, connection_string: str, **options: Any) -> Self:
        """`options` are the constructor's. Raises Invalid."""
        endpoint, key = parse_connection_string(connection_string)
        return cls(endpoint, key, **options)

    async def close(self) -> None:
        await self._container.close()

    async def get(self, partition: str, id: str) -> Document:
        document_rules.check_text(partition, id)
        if not document_rules.is_id(id):
            raise document_rules.not_found(partition, id)
        container = await self._container.opened()
        item = await self._patience.through(
            lambda: container.read_item(id, partition),
            lambda error: meaning(error, f"The document {id!r} in {partition!r}"),
        )
        return _document(item)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        steps = document_rules.encoded(partition, writes)
        container = await self._container.opened()
        transaction = CosmosTransaction(container, partition, steps)
        return await self._patience.through(transaction.apply, transaction.fault_of)

    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        limit = document_rules.page_limit(page_size)
        document_rules.check_text(kind, partition or "")
        document_rules.check_where(where or {})
        conditions = ["c.kind = @kind"]
        values: dict[str, str | int | bool] = {"@kind": kind}
        for number, (field, wanted) in enumerate((where or {}).items()):
            conditions.append(f'c.body["{field}"] = @where{number}')
            values[f"@where{number}"] = wanted
        asked = (kind, partition, sorted((where or {}).items()), descending)
        if continuation is not None:
            after = (await self._signer()).read(continuation, asked)
            conditions.append(f"c.place {'<' if descending else '>'} @after")
            values["@after"] = place(*after)
        order = "DESC" if descending else "ASC"
        # Both fields, or the composite index is not used.
        statement = (
            f"SELECT TOP {limit + 1} {_FIELDS} FROM c WHERE {' AND '.join(conditions)}"
            f" ORDER BY c.kind {order}, c.place {order}"
        )
        items, more = await self._select(statement, values, partition, limit)
        documents = [_document(item) for item in items]
        if not more:
            return Page(documents)
        last = documents[-1]
        signer = await self._signer()
        return Page(documents, signer.write((last.partition, last.id), asked))

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        async def earliest(count: int) -> list[_Item]:
            items, _ = await self._select(
                f"SELECT TOP {count} {_FIELDS} FROM c WHERE c.due_at <= @before ORDER BY c.due_at",
                {"@before": before},
                None,
                count,
            )
            return items

        return await due_documents.understood(earliest, _document, limit)

    async def _select(
        self, statement: str, values: Mapping[str, Any], partition: str | None, limit: int
    ) -> tuple[list[_Item], bool]:
        """The first `limit` items, fewer if they are large, and whether there are more."""
        container = await self._container.opened()
        parameters: list[dict[str, object]] = [
            {"name": name, "value": value} for name, value in values.items()
        ]
        scope: dict[str, Any] = {} if partition is None else {"partition_key": partition}

        async def select() -> tuple[list[_Item], bool]:
            items: list[_Item] = []
            size = 0
            async for item in container.query_items(
                statement, parameters=parameters, max_item_count=limit + 1, **scope
            ):
                size += len(json.dumps(item["body"]))
                if len(items) == limit or (items and size > document_rules.MOST_BYTES_IN_PAGE):
                    return items, True
                items.append(item)
            return items, False

        where = "all partitions" if partition is None else repr(partition)
        return await self._patience.through(
            select, lambda error: meaning(error, f"A query of {where}")
        )

    async def _signer(self) -> Continuations:
        """Continuations signed with one key for every process: the first makes it."""
        if self._continuations is None:
            try:
                document = await self.get(_CONTINUATION_PARTITION, _CONTINUATION_ID)
            except errors.DocumentNotFound:
                body = {"kind": "continuationKey", "key": secrets.token_hex(32)}
                with contextlib.suppress(errors.DocumentExists):
                    await self.transact(_CONTINUATION_PARTITION, [Create(_CONTINUATION_ID, body)])
                document = await self.get(_CONTINUATION_PARTITION, _CONTINUATION_ID)
            self._continuations = Continuations(bytes.fromhex(document.body["key"]))
        return self._continuations


def _document(item: _Item) -> Document:
    due_at = item.get("due_at")
    return Document(
        item["pk"],
        item["id"],
        document_rules.opened(item["pk"], item["id"], item["body"]),
        document_etag(item["_etag"]),
        None if due_at is None else float(due_at),
    )
