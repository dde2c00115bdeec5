"""What the caller may do with a resource."""

from typing import Any

import pytest

from tests.handlers.conftest import ControlPlane

AT = "providers/Microsoft.Authorization/permissions"
PROVIDER = "Microsoft.MachineLearningServices/workspaces"


async def asked(plane: ControlPlane, role: str, at: str = "") -> Any:
    reply = await plane.client(role).get(f"{at}/{AT}" if at else AT)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_role_is_told_as_azure_tells_one(plane: ControlPlane) -> None:
    found = await asked(plane, "reader")
    [permission] = found["value"]
    assert permission["actions"] == [f"{PROVIDER}/read", f"{PROVIDER}/*/read"]
    assert f"{PROVIDER}/clients/*" in permission["notActions"]
    assert (permission["dataActions"], permission["notDataActions"]) == ([], [])
    assert f"{PROVIDER}/onlineEndpoints/read" in found["allowedActions"]
    assert not [each for each in found["allowedActions"] if not each.endswith("read")]


@pytest.mark.parametrize(
    ("role", "at", "may", "may_not"),
    [
        ("owner", "onlineEndpoints/iris", "onlineEndpoints/delete", "jobs/write"),
        ("contributor", "", "onlineEndpoints/write", "clients/write"),
        ("scorer", "onlineEndpoints/iris", "onlineEndpoints/token/action", "onlineEndpoints/read"),
        ("reader", "batchEndpoints/x", "batchEndpoints/read", "batchEndpoints/write"),
        (
            "contributor/onlineEndpoints/iris",
            "onlineEndpoints/IRIS/deployments/blue",
            "onlineEndpoints/deployments/write",
            "batchEndpoints/write",
        ),
    ],
)
async def test_what_is_allowed_is_named(
    plane: ControlPlane, role: str, at: str, may: str, may_not: str
) -> None:
    allowed = (await asked(plane, role, at))["allowedActions"]
    assert f"{PROVIDER}/{may}" in allowed
    assert f"{PROVIDER}/{may_not}" not in allowed


async def test_whoever_has_no_role_there_may_do_nothing(plane: ControlPlane) -> None:
    found = await asked(plane, "owner/onlineEndpoints/iris", "onlineEndpoints/rose")
    assert found == {"value": [], "allowedActions": []}


async def test_who_shows_no_token_is_not_answered(plane: ControlPlane) -> None:
    assert (await plane.client(None).get(AT)).status_code == 401


async def test_what_is_said_to_be_allowed_is_done(plane: ControlPlane) -> None:
    at = "onlineEndpoints/iris"
    for role, status in (("reader", 403), ("contributor", 201)):
        allowed = (await asked(plane, role, at))["allowedActions"]
        assert (f"{PROVIDER}/onlineEndpoints/write" in allowed) == (status == 201)
        reply = await plane.client(role).put(at, {"properties": {"authMode": "Key"}})
        assert reply.status_code == status
