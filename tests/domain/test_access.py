import pytest

from domain.access import ROLES, allows, require
from domain.errors import Forbidden
from domain.ports import Principal

READS = ["read", "onlineEndpoints/read", "onlineEndpoints/deployments/read", "models/versions/read"]
WRITES = [
    "onlineEndpoints/write",
    "onlineEndpoints/delete",
    "onlineEndpoints/listKeys/action",
    "onlineEndpoints/regenerateKeys/action",
    "onlineEndpoints/deployments/getLogs/action",
    "batchEndpoints/jobs/write",
    "datastores/listSecrets/action",
]


def principal(*roles: str) -> Principal:
    return Principal("somebody", frozenset(roles))


@pytest.mark.parametrize("action", READS)
def test_every_role_may_read(action: str) -> None:
    assert all(allows(principal(role), action) for role in ROLES)


@pytest.mark.parametrize("action", WRITES)
def test_a_reader_may_neither_write_nor_see_secrets(action: str) -> None:
    assert not allows(principal("reader"), action)
    assert allows(principal("contributor"), action)
    assert allows(principal("owner"), action)


@pytest.mark.parametrize("role", ["", "admin", "OWNER", "*"])
def test_an_unknown_role_gives_nothing(role: str) -> None:
    assert not any(allows(principal(role), action) for action in READS + WRITES)


def test_roles_add_up() -> None:
    assert allows(principal("reader", "contributor"), "onlineEndpoints/write")
    assert not allows(principal(), "read")


def test_a_refusal_says_which_action_and_what_would_allow_it() -> None:
    with pytest.raises(Forbidden) as refused:
        require(principal("reader"), "onlineEndpoints/write")
    assert refused.value.message == (
        "'somebody' may not do 'workspaces/onlineEndpoints/write' (its roles: reader). "
        "Use a client with one of these roles: contributor, owner."
    )
    with pytest.raises(Forbidden, match=r"its roles: none"):
        require(principal(), "read")
