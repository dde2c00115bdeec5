"""When a revision takes another's place."""

from dataclasses import dataclass, replace

from domain.ports import WorkloadState
from infra.compute.remote.node_groups import drain_of
from infra.compute.remote.serving_record import Revision, ServingRecord


@dataclass(frozen=True)
class Rolled:
    """A record after a look, and the groups that are to go with it."""

    record: ServingRecord
    retired: tuple[str, ...] = ()


def wanted(record: ServingRecord | None, new: Revision) -> ServingRecord:
    """The record once `new` is asked for: beside what serves, or instead of what does not. The
    revision that is there already gets the new count, and another try if it has failed."""
    workload = new.workload
    if record is None:
        return ServingRecord(workload.key, (new,))
    serves, newest = record.serves, record.newest
    if serves is None or newest is None:
        return replace(record, revisions=(new,), served=False)
    if newest.workload.revision == workload.revision:
        return _adjusted(record, newest, new)
    if len(record.revisions) == 2:
        record = record.without(newest, 0.0)
        if serves.workload.revision == workload.revision:
            return _adjusted(record, serves, new)
    if serves.standing.ready:
        return replace(record, revisions=(serves, new))
    # It serves nobody: there is nothing to protect.
    return replace(record.without(serves, 0.0), revisions=(new,))


def _adjusted(record: ServingRecord, there: Revision, new: Revision) -> ServingRecord:
    count = new.workload.instance_count
    workload = replace(there.workload, instance_count=count)
    attempt = there.attempt + (there.state is WorkloadState.FAILED)
    is_other = workload != there.workload or attempt != there.attempt
    trace = new.trace if is_other else there.trace
    adjusted = replace(there, workload=workload, attempt=attempt, trace=trace)
    others = tuple(each for each in record.revisions if each.group != there.group)
    return replace(record, revisions=(*others, adjusted))


def removed(record: ServingRecord, grace: float) -> ServingRecord:
    for revision in record.revisions:
        record = record.without(revision, grace)
    return record


def roll(record: ServingRecord) -> Rolled:
    """Once the newest is ready, it serves alone."""
    newest, serves = record.newest, record.serves
    if newest is None or serves is None:
        return Rolled(record)
    served = record.served or serves.standing.ready > 0
    record = replace(record, served=served)
    if newest is not serves and newest.state is WorkloadState.READY:
        after = record.without(serves, drain_of(serves.workload))
        ready = newest.standing.ready > 0
        return Rolled(replace(after, served=served or ready), (serves.group,))
    return Rolled(record)
