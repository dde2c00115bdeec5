from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.ground.operation import (
    ErrorRecord,
    Operation,
    OperationKind,
    OperationNotFound,
    Operations,
    OperationStatus,
    operation_body,
    operation_document_id,
    operation_partition,
)
from domain.ports import Create
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)
PARTITION = "onlineEndpoints/iris"


def started() -> Operation:
    return Operation.start(OperationKind.CREATE, PARTITION, "/a/target", NOW)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteResourceStore]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    yield store
    await store.close()


def test_an_id_holds_its_partition_and_is_one_segment_of_a_path() -> None:
    operation = started()
    assert operation_partition(operation.id) == PARTITION
    assert "/" not in operation.id
    assert operation.id != started().id


def test_an_ended_operation_stays_as_it_ended() -> None:
    failed = started().end(OperationStatus.FAILED, LATER, ErrorRecord(code="C", message="m"))
    assert (failed.status, failed.ended_at) == (OperationStatus.FAILED, LATER)
    assert failed.end(OperationStatus.SUCCEEDED, LATER + timedelta(1)) == failed


async def test_a_stored_operation_is_read_by_its_id(store: SqliteResourceStore) -> None:
    operation = started()
    await store.transact(
        PARTITION, [Create(operation_document_id(operation.id), operation_body(operation))]
    )
    assert await Operations(store).get(operation.id) == operation


GUID = "01234567-0123-0123-0123-0123456789ab"


@pytest.mark.parametrize(
    "id",
    [
        "",
        ":",
        "x",
        f":{GUID}",
        GUID,
        f"onlineEndpoints:iris:{GUID}",
        f"a/../b:{GUID}",
        f"a#b:{GUID}",
        "onlineEndpoints:iris:endpoint",
        f"{'x' * 300}:{GUID}",
        "\x00:\x00",
        f"onlineEndpoints:iris:{GUID}/..",
        "onlineEndpoints:iris:" + "a" * 5000,
        f"ü�:{GUID}",
    ],
)
async def test_an_id_never_given_is_not_found(store: SqliteResourceStore, id: str) -> None:
    with pytest.raises(OperationNotFound, match="No operation"):
        await Operations(store).get(id)
