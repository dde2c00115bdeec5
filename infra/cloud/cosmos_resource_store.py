"""The ResourceStore port on one Cosmos DB container.

Reading by id is a point read; every write is one transactional batch of one partition; only
`query` and `due` ask the query engine, by an index that has the answer's order.

A write whose answer never came may have been applied. Its transaction's token in the items
tells: when the repeated write meets a conflict with itself, it has succeeded."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosResourceNotFoundError

from domain import errors
from domain.ports import Create, Delete, Document, Json, Page, Replace, ResourceStore, Write
from infra import document_rules
from infra.cloud.azure_errors import SDK_ERRORS, Fault, fault
from infra.cloud.cosmos_container import CosmosContainer, parse_connection_string
from infra.cloud.patience import Patience
from infra.continuations import Continuations

_FIELDS = "c.pk, c.id, c.body, c.due_at, c._etag"
_CONTINUATION_PARTITION = "system/continuations"
_CONTINUATION_ID = "key"
_NO_ETAG = "none"
"""Cosmos DB's ETags are quoted, so this is nobody's."""
_LEAVES: Mapping[type[errors.DomainError], type[errors.DomainError]] = {
    errors.NotFound: errors.DocumentNotFound,
    errors.Conflict: errors.DocumentExists,
    errors.PreconditionFailed: errors.StaleETag,
}


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
        patience: Patience | None = None,
        client_options: dict[str, Any] | None = None,
    ) -> None:
        self._patience = patience or Patience()
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
            lambda error: _meaning(error, f"The document {id!r} in {partition!r}"),
        )
        return _document(item)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document | None]:
        bodies = document_rules.encoded_bodies(partition, writes)
        container = await self._container.opened()
        transaction = _Transaction(container, partition, writes, bodies)
        return await self._patience.through(transaction.apply, transaction.meaning)

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
            values["@after"] = _place(*after)
        order = "DESC" if descending else "ASC"
        # Both fields, or the composite index is not used.
        statement = (
            f"SELECT TOP {limit + 1} {_FIELDS} FROM c WHERE {' AND '.join(conditions)}"
            f" ORDER BY c.kind {order}, c.place {order}"
        )
        documents, more = await self._select(statement, values, partition, limit)
        if not more:
            return Page(documents)
        last = documents[-1]
        signer = await self._signer()
        return Page(documents, signer.write((last.partition, last.id), asked))

    async def due(self, before: float, *, limit: int = 100) -> Sequence[Document]:
        documents, _ = await self._select(
            f"SELECT TOP {limit} {_FIELDS} FROM c WHERE c.due_at <= @before ORDER BY c.due_at",
            {"@before": before},
            None,
            limit,
        )
        return documents

    async def _select(
        self, statement: str, values: Mapping[str, Any], partition: str | None, limit: int
    ) -> tuple[list[Document], bool]:
        """The first `limit` documents, fewer if they are large, and whether there are more."""
        container = await self._container.opened()
        parameters: list[dict[str, object]] = [
            {"name": name, "value": value} for name, value in values.items()
        ]
        scope: dict[str, Any] = {} if partition is None else {"partition_key": partition}

        async def select() -> tuple[list[Document], bool]:
            documents: list[Document] = []
            size = 0
            async for item in container.query_items(
                statement, parameters=parameters, max_item_count=limit + 1, **scope
            ):
                size += len(json.dumps(item["body"]))
                if len(documents) == limit or (
                    documents and size > document_rules.MOST_BYTES_IN_PAGE
                ):
                    return documents, True
                documents.append(_document(item))
            return documents, False

        where = "all partitions" if partition is None else repr(partition)
        return await self._patience.through(
            select, lambda error: _meaning(error, f"A query of {where}")
        )

    async def _signer(self) -> Continuations:
        """Continuations signed with one key for every process: the first makes it."""
        if self._continuations is None:
            place = _CONTINUATION_PARTITION, _CONTINUATION_ID
            try:
                document = await self.get(*place)
            except errors.DocumentNotFound:
                body = {"kind": "continuationKey", "key": secrets.token_hex(32)}
                with contextlib.suppress(errors.DocumentExists):
                    await self.transact(place[0], [Create(place[1], body)])
                document = await self.get(*place)
            self._continuations = Continuations(bytes.fromhex(document.body["key"]))
        return self._continuations


class _Transaction:
    """One batch, which may be sent several times and is applied once."""

    def __init__(
        self,
        container: ContainerProxy,
        partition: str,
        writes: Sequence[Write],
        bodies: Sequence[str | None],
    ) -> None:
        self._container = container
        self._partition = partition
        self._writes = writes
        self._bodies = bodies
        self._token = secrets.token_hex(8)
        self._sent = 0
        self._may_be_applied = False

    async def apply(self) -> list[Document | None]:
        sent_before = self._sent
        try:
            results = await self._container.execute_item_batch(
                self._operations(), self._partition, raw_request_hook=self._count
            )
        except CosmosBatchOperationError as error:
            # The SDK itself may have sent it twice, to another region.
            if self._sent - sent_before > 1:
                self._may_be_applied = True
            if self._may_be_applied and error.status_code in (404, 409, 412):
                applied = await self._as_applied()
                if applied is not None:
                    return applied
            raise
        except SDK_ERRORS as error:
            if not self.meaning(error).unseen:
                self._may_be_applied = True
            raise
        except asyncio.CancelledError:
            # By Patience's time limit for one try.
            self._may_be_applied = True
            raise
        return [
            self._written(write, body, result.get("eTag"))
            for write, body, result in zip(self._writes, self._bodies, results, strict=True)
        ]

    def meaning(self, error: Exception) -> Fault:
        if isinstance(error, CosmosBatchOperationError):
            write = self._writes[error.error_index or 0]
            cause = {
                404: document_rules.not_found,
                409: document_rules.exists,
                412: document_rules.stale,
            }.get(error.status_code or 0)
            if cause is not None:
                return Fault(cause(self._partition, write.id), False, True, None)
            return _meaning(error, f"Writing the document {write.id!r} in {self._partition!r}")
        if isinstance(error, CosmosResourceNotFoundError):
            return Fault(
                errors.Unavailable(
                    "The container of Cosmos DB is not there.", code="DependencyNotSetUp"
                ),
                False,
                True,
                None,
            )
        return _meaning(error, f"A transaction in {self._partition!r}")

    def _operations(self) -> list[Any]:
        # New for each try: the SDK takes the conditions out of what it is given.
        return [
            self._operation(write, body)
            for write, body in zip(self._writes, self._bodies, strict=True)
        ]

    def _operation(self, write: Write, body: str | None) -> tuple[Any, ...]:
        condition: dict[str, str] = {}
        if not isinstance(write, Create) and write.etag is not None:
            # "*" and nothing would be no condition.
            condition["if_match_etag"] = _NO_ETAG if write.etag in ("", "*") else write.etag
        if isinstance(write, Delete):
            return "delete", (write.id,), condition
        item: Json = {
            "id": write.id,
            "pk": self._partition,
            "kind": write.body["kind"],
            "place": _place(self._partition, write.id),
            "body": write.body,
            "write": self._token,
        }
        if write.due_at is not None:
            item["due_at"] = write.due_at
        if write.ttl is not None:
            item["ttl"] = write.ttl
        if isinstance(write, Replace):
            return "replace", (write.id, item), condition
        return "create", (item,)

    def _written(self, write: Write, body: str | None, etag: str | None) -> Document | None:
        if isinstance(write, Delete):
            return None
        assert body is not None
        return Document(self._partition, write.id, json.loads(body), etag or _NO_ETAG, write.due_at)

    async def _as_applied(self) -> list[Document | None] | None:
        """The documents, if an earlier try wrote them; None if none did. What someone else
        has changed since has an ETag that is nobody's."""
        etags: dict[str, str] = {}
        for write in self._writes:
            if isinstance(write, Delete):
                continue
            try:
                item = await self._container.read_item(write.id, self._partition)
            except CosmosResourceNotFoundError:
                continue
            if item.get("write") == self._token:
                etags[write.id] = item["_etag"]
        if not etags and any(not isinstance(write, Delete) for write in self._writes):
            return None
        if not etags and any(isinstance(w, Delete) and w.etag is not None for w in self._writes):
            raise errors.Unavailable(
                f"It is not known whether the documents in {self._partition!r} were deleted by"
                " this or by someone else."
            )
        return [
            self._written(write, body, etags.get(write.id))
            for write, body in zip(self._writes, self._bodies, strict=True)
        ]

    def _count(self, request: Any) -> None:
        self._sent += 1


def _place(partition: str, id: str) -> str:
    return f"{partition}\0{id}"


def _document(item: Mapping[str, Any]) -> Document:
    due_at = item.get("due_at")
    return Document(
        item["pk"],
        item["id"],
        item["body"],
        item["_etag"],
        None if due_at is None else float(due_at),
    )


def _meaning(error: Exception, subject: str) -> Fault:
    return fault(error, subject, _LEAVES)
