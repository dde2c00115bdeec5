"""The long-running operation that a cancellation is, for those who poll it."""

from datetime import datetime

from domain.errors import DocumentNotFound
from domain.ground.operation import (
    OPERATION_TTL,
    Operation,
    OperationKind,
    OperationStatus,
    operation_body,
    operation_document_id,
)
from domain.jobs.records.batch_job import BatchJob, partition
from domain.ports import Create, Replace, ResourceStore, Write


def started_cancellation(job: BatchJob, target: str, now: datetime) -> tuple[Operation, Write]:
    """`target` is the job's ARM id."""
    operation = Operation.start(OperationKind.CANCEL, partition(job.name), target, now)
    id = operation_document_id(operation.id)
    return operation, Create(id, operation_body(operation), ttl=OPERATION_TTL)


async def ended_cancellation(
    store: ResourceStore, job: BatchJob, now: datetime
) -> tuple[Write, ...]:
    """What ends the operation, if it is still kept."""
    if job.cancel_operation_id is None:
        return ()
    id = operation_document_id(job.cancel_operation_id)
    try:
        found = await store.get(partition(job.name), id)
    except DocumentNotFound:
        return ()
    operation = Operation.from_document(found.body["operation"])
    ended = operation.end(OperationStatus.SUCCEEDED, now)
    return (Replace(id, operation_body(ended), found.etag, ttl=OPERATION_TTL),)
