"""Transactions as Cosmos DB's batches, which may be sent several times and are applied once.

A batch whose answer never came may have been applied. The token of its transaction, in its
items, tells: when the repeated batch meets a conflict with itself, it has succeeded."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosResourceNotFoundError

from domain import errors
from domain.ports import Create, Delete, Document, Json, Replace, Write
from infra.cloud.azure_errors import HTTP_ERRORS
from infra.cloud.faults import Fault, fault
from infra.rules import document_rules
from infra.rules.document_rules import Encoded

_NO_ETAG = "none"
"""Nobody's."""
_UNQUOTED = "~"
_LEAVES: Mapping[type[errors.DomainError], type[errors.DomainError]] = {
    errors.NotFound: errors.DocumentNotFound,
    errors.Conflict: errors.DocumentExists,
    errors.PreconditionFailed: errors.StaleETag,
}


class CosmosTransaction:
    """`apply` until it answers, or until `fault_of` finds its fault to last."""

    def __init__(
        self,
        container: ContainerProxy,
        partition: str,
        steps: Sequence[Encoded | Delete],
    ) -> None:
        self._container = container
        self._partition = partition
        self._steps = steps
        self._token = secrets.token_hex(8)
        self._sent = 0
        self._may_be_applied = False

    async def apply(self) -> list[Document]:
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
        except HTTP_ERRORS as error:
            if not self.fault_of(error).unseen:
                self._may_be_applied = True
            raise
        except asyncio.CancelledError:
            # By Patience's time limit for one try.
            self._may_be_applied = True
            raise
        return [
            self._written(step, result.get("eTag"))
            for step, result in zip(self._steps, results, strict=True)
            if isinstance(step, Encoded)
        ]

    def fault_of(self, error: Exception) -> Fault:
        if isinstance(error, CosmosBatchOperationError):
            id = _id(self._steps[error.error_index or 0])
            cause = {
                404: document_rules.not_found,
                409: document_rules.exists,
                412: document_rules.stale,
            }.get(error.status_code or 0)
            if cause is not None:
                return Fault(cause(self._partition, id), False, True, None)
            return meaning(error, f"Writing the document {id!r} in {self._partition!r}")
        if isinstance(error, CosmosResourceNotFoundError):
            return Fault(
                errors.Unavailable(
                    "The container of Cosmos DB is not there.", code="DependencyNotSetUp"
                ),
                False,
                True,
                None,
            )
        return meaning(error, f"A transaction in {self._partition!r}")

    def _operations(self) -> list[Any]:
        # New for each try: the SDK takes the conditions out of what it is given.
        return [self._operation(s.write if isinstance(s, Encoded) else s) for s in self._steps]

    def _operation(self, write: Write) -> tuple[Any, ...]:
        condition: dict[str, str] = {}
        if not isinstance(write, Create) and write.etag is not None:
            condition["if_match_etag"] = service_etag(write.etag)
        if isinstance(write, Delete):
            return "delete", (write.id,), condition
        item: Json = {
            "id": write.id,
            "pk": self._partition,
            "kind": write.body["kind"],
            "place": place(self._partition, write.id),
            "body": document_rules.stamped(write.body),
            "write": self._token,
        }
        if write.due_at is not None:
            item["due_at"] = write.due_at
        if write.ttl is not None:
            item["ttl"] = write.ttl
        if isinstance(write, Replace):
            return "replace", (write.id, item), condition
        return "create", (item,)

    def _written(self, step: Encoded, etag: str | None) -> Document:
        write = step.write
        return Document(
            self._partition,
            write.id,
            document_rules.opened(self._partition, write.id, json.loads(step.body)),
            _NO_ETAG if etag is None else document_etag(etag),
            write.due_at,
        )

    async def _as_applied(self) -> list[Document] | None:
        """The documents, if an earlier try wrote them; None if none did. What someone else
        has changed since has an ETag that is nobody's."""
        etags: dict[str, str] = {}
        saved = [step for step in self._steps if isinstance(step, Encoded)]
        for step in saved:
            try:
                item = await self._container.read_item(step.write.id, self._partition)
            except CosmosResourceNotFoundError:
                continue
            if item.get("write") == self._token:
                etags[step.write.id] = item["_etag"]
        if not etags and saved:
            return None
        if not etags and any(isinstance(s, Delete) and s.etag is not None for s in self._steps):
            raise errors.Unavailable(
                f"It is not known whether the documents in {self._partition!r} were deleted by"
                " this or by someone else."
            )
        return [self._written(step, etags.get(step.write.id)) for step in saved]

    def _count(self, request: Any) -> None:
        self._sent += 1


def _id(step: Encoded | Delete) -> str:
    return step.write.id if isinstance(step, Encoded) else step.id


def document_etag(etag: str) -> str:
    """The service's ETag without the quotes that are part of it, so that what callers put
    between quotes is not quoted twice. One without quotes (no Azure gives such) is marked."""
    quoted = len(etag) >= 2 and etag[0] == etag[-1] == '"'
    return etag[1:-1] if quoted else f"{_UNQUOTED}{etag}"


def service_etag(etag: str) -> str:
    """Inverse of `document_etag`; a condition, and never the wildcard, whatever it is given."""
    bare = etag.removeprefix(_UNQUOTED)
    if bare != etag and bare not in ("", "*"):
        return bare
    return f'"{etag}"'


def place(partition: str, id: str) -> str:
    return f"{partition}\0{id}"


def meaning(error: Exception, subject: str) -> Fault:
    return fault(error, subject, _LEAVES)
