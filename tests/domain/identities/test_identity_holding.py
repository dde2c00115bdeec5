"""Whom scripts are told to be, by what their endpoint or compute has."""

import pytest

from domain.ground.resource import Identity
from domain.identities.identity_holding import of_program
from domain.ports import ProgramIdentity

HOLDER = "onlineEndpoints/iris"
GIVEN = {"/a": {"clientId": "c"}, "/b": None}


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        (None, None),
        (Identity(type="None"), None),
        (Identity(type="whatever"), None),
        (Identity(), ProgramIdentity(HOLDER, own=True)),
        (
            Identity(type="userAssigned", user_assigned_identities=GIVEN),
            ProgramIdentity(HOLDER, own=False, given=("/a", "/b")),
        ),
        (
            Identity(type="SystemAssigned, UserAssigned", user_assigned_identities=GIVEN),
            ProgramIdentity(HOLDER, own=True, given=("/a", "/b")),
        ),
    ],
)
def test_a_platform_is_told_which_identities_a_program_has(
    identity: Identity | None, told: ProgramIdentity | None
) -> None:
    assert of_program(HOLDER, identity) == told
