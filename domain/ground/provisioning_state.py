"""Provisioning states of endpoints and deployments, as one table.

(a) -> Creating                      first PUT
(b) Creating|Updating|Scaling -> Succeeded|Failed|Canceled
(c) Succeeded|Failed|Canceled -> Updating|Scaling     PUT or PATCH
(d) anything -> Deleting             DELETE supersedes whatever runs
(e) Deleting -> Failed               the compute would not let go
"""

from enum import StrEnum

from domain.errors import Conflict


class ProvisioningState(StrEnum):
    CREATING = "Creating"
    UPDATING = "Updating"
    SCALING = "Scaling"
    DELETING = "Deleting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_terminal(self) -> bool:
        """ARM's rule: only these three end an operation."""
        return self in _TERMINAL

    def to(self, new: "ProvisioningState") -> "ProvisioningState":
        """`new`, or TransitionRefused when the table has no such step."""
        if new not in TRANSITIONS[self]:
            raise TransitionRefused(self, new)
        return new


_S = ProvisioningState
_TERMINAL = frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELED})
_RUNNING_TO = _TERMINAL | {_S.DELETING}
_TERMINAL_TO = frozenset({_S.UPDATING, _S.SCALING, _S.DELETING})

TRANSITIONS: dict[ProvisioningState, frozenset[ProvisioningState]] = {
    _S.CREATING: _RUNNING_TO,
    _S.UPDATING: _RUNNING_TO,
    _S.SCALING: _RUNNING_TO,
    _S.SUCCEEDED: _TERMINAL_TO,
    _S.FAILED: _TERMINAL_TO,
    _S.CANCELED: _TERMINAL_TO,
    _S.DELETING: frozenset({_S.DELETING, _S.FAILED}),
}


class TransitionRefused(Conflict):
    """An operation runs, or the resource is being deleted."""

    code = "OperationInProgress"

    def __init__(self, old: ProvisioningState, new: ProvisioningState) -> None:
        what = "is being deleted" if old is _S.DELETING else f"is {old.value}"
        super().__init__(
            f"The resource {what}; it cannot go to {new.value} now. "
            "Wait for the running operation to end and try again."
        )
