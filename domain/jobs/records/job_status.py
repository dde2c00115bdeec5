"""States of a batch job, a subset of Azure ML's, as one table.

(a) -> NotStarted                         invoke has saved it
(b) NotStarted -> Preparing               its inputs are being listed and planned
(c) Preparing -> Queued                   planned; waits for compute
(d) Queued -> Running                     a worker is ready; mini-batches go out
(e) Queued|Running -> Finalizing          all are recorded, or it is to fail; results are joined
(f) Finalizing -> Completed|Failed
(g) NotStarted|Preparing|Queued -> Failed before anything ran
(h) NotStarted|Preparing|Queued|Running -> CancelRequested -> Canceled
"""

from enum import StrEnum

from domain.errors import Conflict


class JobStatus(StrEnum):
    NOT_STARTED = "NotStarted"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_terminal(self) -> bool:
        return not TRANSITIONS[self]

    @property
    def can_be_canceled(self) -> bool:
        return JobStatus.CANCEL_REQUESTED in TRANSITIONS[self]

    def to(self, new: "JobStatus") -> "JobStatus":
        """`new`, or JobTransitionRefused when the table has no such step."""
        if new not in TRANSITIONS[self]:
            raise JobTransitionRefused(self, new)
        return new


_S = JobStatus

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    _S.NOT_STARTED: frozenset({_S.PREPARING, _S.CANCEL_REQUESTED, _S.FAILED}),
    _S.PREPARING: frozenset({_S.QUEUED, _S.CANCEL_REQUESTED, _S.FAILED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.FINALIZING, _S.CANCEL_REQUESTED, _S.FAILED}),
    _S.RUNNING: frozenset({_S.FINALIZING, _S.CANCEL_REQUESTED}),
    _S.FINALIZING: frozenset({_S.COMPLETED, _S.FAILED}),
    _S.CANCEL_REQUESTED: frozenset({_S.CANCELED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELED: frozenset(),
}


class JobTransitionRefused(Conflict):
    code = "JobTransitionRefused"

    def __init__(self, old: JobStatus, new: JobStatus) -> None:
        super().__init__(f"A job that is {old.value} cannot become {new.value}.")
