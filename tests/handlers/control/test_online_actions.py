"""Who may ask an online endpoint for what."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import Unauthenticated
from domain.ground.access import ROLES
from domain.ports import Principal, TokenVerifier
from tests.kit.stages.gateway_stage import Gateways, opened


class RoleVerifier(TokenVerifier):
    async def verify(self, token: str) -> Principal:
        if token.partition("/")[0] not in ROLES:
            raise Unauthenticated("Not a token of this test's.")
        return Principal(token, frozenset({token}))


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    async with opened(tmp_path, hosts=1) as gateways:
        await gateways.iris("blue", authMode="AMLToken")
        yield gateways


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "token", {"scorer", "contributor", "owner"}),
        ("POST", "rollBack", {"contributor", "owner"}),
        ("GET", "shadowReports", {"reader", "contributor", "owner"}),
    ],
)
async def test_actions_follow_roles(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch, method: str, path: str, allowed: set[str]
) -> None:
    monkeypatch.setattr(type(gateways.adapters.verifier), "verify", RoleVerifier.verify)
    url = f"{gateways.one.application.scope.id}/onlineEndpoints/iris/{path}"
    able = set()
    for role in ROLES:
        headers = {"Authorization": f"Bearer {role}"}
        reply = await gateways.one.http.request(method, url, headers=headers)
        if reply.status_code != 403:
            able.add(role)
    assert able == allowed
    assert (await gateways.one.http.request(method, url)).status_code == 401


async def test_a_role_for_one_endpoint_holds_there_alone(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(gateways.adapters.verifier), "verify", RoleVerifier.verify)
    endpoints = f"{gateways.one.application.scope.id}/onlineEndpoints"

    async def may(role: str, method: str, path: str) -> bool:
        headers = {"Authorization": f"Bearer {role}"}
        reply = await gateways.one.http.request(method, f"{endpoints}{path}", headers=headers)
        return reply.status_code != 403

    assert await may("scorer/onlineEndpoints/iris", "POST", "/iris/token")
    assert await may("reader/onlineEndpoints/Iris", "GET", "/iris/deployments/blue")
    assert not await may("scorer/onlineEndpoints/iris", "POST", "/tulips/token")
    assert not await may("scorer/batchEndpoints/iris", "POST", "/iris/token")
    assert not await may("reader/onlineEndpoints/iris", "GET", "")
    assert not await may("owner/onlineEndpoints/iris/deployments/blue", "DELETE", "/iris")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "token"), ("POST", "rollBack"), ("GET", "shadowReports")]
)
@pytest.mark.parametrize("endpoint", ["nowhere", "-", "a" * 40])
async def test_an_endpoint_that_is_not_there_is_404(
    gateways: Gateways, method: str, path: str, endpoint: str
) -> None:
    reply = await gateways.one.arm(method, f"onlineEndpoints/{endpoint}/{path}")
    assert reply.status_code == 404
    assert endpoint in reply.json()["error"]["message"]


async def test_the_document_of_the_surface_has_them(gateways: Gateways) -> None:
    paths = (await gateways.one.http.get("/openapi.json")).json()["paths"]
    base = next(path for path in paths if path.endswith("/onlineEndpoints/{endpoint}"))
    assert {"token", "rollBack", "shadowReports"} <= {
        path.removeprefix(f"{base}/") for path in paths
    }
