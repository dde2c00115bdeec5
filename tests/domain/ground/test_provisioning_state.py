import itertools

import pytest

from domain.errors import Conflict
from domain.ground.operation import OperationStatus
from domain.ground.provisioning_state import TRANSITIONS, ProvisioningState, TransitionRefused

S = ProvisioningState
RUNNING = {S.CREATING, S.UPDATING, S.SCALING}
ENDED = {S.SUCCEEDED, S.FAILED, S.CANCELED}


def allowed(old: ProvisioningState, new: ProvisioningState) -> bool:
    """The table's docstring, said once more in another way."""
    if new is S.DELETING:
        return True
    if old in RUNNING:
        return new in ENDED
    if old in ENDED:
        return new in {S.UPDATING, S.SCALING}
    return new is S.FAILED


@pytest.mark.parametrize(("old", "new"), list(itertools.product(S, S)))
def test_every_pair_of_states(old: ProvisioningState, new: ProvisioningState) -> None:
    if allowed(old, new):
        assert old.to(new) is new
    else:
        with pytest.raises(TransitionRefused, match="Wait for the running operation") as refused:
            old.to(new)
        assert isinstance(refused.value, Conflict)
        assert refused.value.code == "OperationInProgress"


def test_only_arm_s_three_states_end_an_operation() -> None:
    assert {state for state in S if state.is_terminal} == ENDED
    assert {state.value for state in ENDED} <= {status.value for status in OperationStatus}


def test_every_state_has_its_row_and_can_be_left() -> None:
    assert set(TRANSITIONS) == set(S)
    assert all(TRANSITIONS.values())
