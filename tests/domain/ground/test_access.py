import pytest

from domain.errors import Forbidden
from domain.ground.access import ROLES, allows, require, role_fault
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
def test_every_role_but_a_scorer_s_and_those_for_blobs_may_read(action: str) -> None:
    without = [role for role in ROLES if not allows(principal(role), action)]
    assert without == ["scorer", "blobReader", "blobContributor"]


@pytest.mark.parametrize("role", ["scorer", "contributor", "owner"])
def test_who_may_score_may_ask_for_a_token(role: str) -> None:
    for action in ("onlineEndpoints/score/action", "onlineEndpoints/token/action"):
        assert allows(principal(role), action)
        assert not allows(principal("reader"), action)


SCORE = "onlineEndpoints/score/action"


def test_a_role_may_be_given_for_a_part_of_the_workspace() -> None:
    iris = principal("scorer/onlineEndpoints/Iris")
    assert allows(iris, SCORE, "onlineEndpoints/iris")
    assert allows(iris, SCORE, "onlineEndpoints/iris/deployments/blue")
    assert not allows(iris, SCORE, "onlineEndpoints/irises")
    assert not allows(iris, SCORE, "onlineEndpoints")
    assert not allows(iris, SCORE)
    assert allows(principal("scorer"), SCORE, "onlineEndpoints/iris")


@pytest.mark.parametrize(
    "role",
    ["", "scorer/", "scorer//x", "scorer/a b", "admin/onlineEndpoints", "reader,", "x,owner"],
)
def test_what_is_no_role_is_told_so(role: str) -> None:
    assert role_fault(role)
    assert role_fault("scorer/onlineEndpoints/iris") is None
    assert role_fault("contributor/onlineEndpoints/iris, reader/codes/c") is None


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
