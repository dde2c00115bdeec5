"""Long-running operations: what ARM clients poll."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import uuid4

from domain.errors import DocumentNotFound, NotFound
from domain.ports import Json, ResourceStore
from domain.values import Value

OPERATION_TTL = 7 * 24 * 3600
"""Seconds an operation can be asked about after its last change."""


_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OperationStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


class OperationKind(StrEnum):
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    REGENERATE_KEYS = "RegenerateKeys"
    CANCEL = "Cancel"


class ErrorRecord(Value):
    """Why something failed, in ARM's shape."""

    code: str
    message: str
    target: str | None = None


class Operation(Value):
    """One mutation of one resource. `partition` and `target` (an ARM id) say which."""

    id: str
    kind: OperationKind
    partition: str
    target: str
    status: OperationStatus = OperationStatus.IN_PROGRESS
    started_at: datetime
    ended_at: datetime | None = None
    error: ErrorRecord | None = None

    @classmethod
    def start(cls, kind: OperationKind, partition: str, target: str, now: datetime) -> Self:
        """The id holds the partition, so that a poll is a point read."""
        id = f"{partition.replace('/', ':')}:{uuid4()}"
        return cls(id=id, kind=kind, partition=partition, target=target, started_at=now)

    def end(self, status: OperationStatus, now: datetime, error: ErrorRecord | None = None) -> Self:
        """Ended operations stay as they ended."""
        if self.status is not OperationStatus.IN_PROGRESS:
            return self
        return self.but(status=status, ended_at=now, error=error)


def operation_body(operation: Operation) -> Json:
    """The document body that `Operations` reads."""
    return {"kind": "operation", "operation": operation.to_document()}


def operation_document_id(operation_id: str) -> str:
    return f"operation:{operation_id.rpartition(':')[2]}"


def operation_partition(operation_id: str) -> str:
    """The partition that the id holds. Raises NotFound for an id never given."""
    if not _ID.fullmatch(operation_id):
        raise OperationNotFound(operation_id)
    partition, _, _ = operation_id.rpartition(":")
    return partition.replace(":", "/")


class OperationNotFound(NotFound):
    code = "OperationNotFound"

    def __init__(self, id: str) -> None:
        super().__init__(
            f"No operation '{id[:300]}'. Operations are kept for {OPERATION_TTL // 86400} days."
        )


class Operations:
    """Reading operations: how far one is."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def get(self, id: str) -> Operation:
        """Raises OperationNotFound."""
        partition = operation_partition(id)
        try:
            document = await self._store.get(partition, operation_document_id(id))
        except DocumentNotFound:
            raise OperationNotFound(id) from None
        return Operation.from_document(document.body["operation"])
