"""A registry as Azure's is, which takes tokens of an identity for a password."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
import yarl
from aiohttp import web

from infra.compute.registry.login.identity_login import IdentityLogin, is_azures
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls, RegistryRefusal
from tests.kit.apps.scripted_apps import GivenToken


@dataclass
class AzuresRegistry:
    """It has nothing, and says so to whoever may ask."""

    url: str = ""
    exchanged: list[str] = field(default_factory=list)
    lets_in: bool = True

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        told = await request.post()
        self.exchanged.append(str(told["access_token"]))
        if not self.lets_in:
            return web.json_response({"errors": []}, status=401)
        return web.json_response({"refresh_token": "fresh"})

    async def token(self, request: web.Request) -> web.StreamResponse:
        pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        assert pair == "00000000-0000-0000-0000-000000000000:fresh"
        return web.json_response({"access_token": f"for {request.query['scope']}"})

    async def ask(self, request: web.Request) -> web.StreamResponse:
        if not request.headers.get("Authorization", "").startswith("Bearer for repository:a:"):
            challenge = f'Bearer realm="{self.url}/oauth2/token",service="here"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return web.Response(status=404)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[AzuresRegistry]:
    there = AzuresRegistry()
    app = web.Application()
    app.router.add_post("/oauth2/exchange", there.exchange)
    app.router.add_get("/oauth2/token", there.token)
    app.router.add_get("/v2/{rest:.+}", there.ask)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield there
    await runner.cleanup()


async def test_a_registry_is_opened_by_an_identity(served: AzuresRegistry) -> None:
    login = IdentityLogin(yarl.URL(served.url), GivenToken("of-the-host"))
    registry = Registry(RegistryCalls(served.url, login))
    assert await registry.digest("a", "1") is None
    assert await registry.digest("a", "2") is None
    assert served.exchanged == ["of-the-host"], "once for all"
    await registry.close()


async def test_an_identity_that_is_not_let_in_is_told_its_role(served: AzuresRegistry) -> None:
    served.lets_in = False
    registry = Registry(
        RegistryCalls(served.url, IdentityLogin(yarl.URL(served.url), GivenToken()))
    )
    with pytest.raises(RegistryRefusal, match="needs the role AcrPush"):
        await registry.digest("a", "1")
    await registry.close()


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://mine.azurecr.io/team", True),
        ("https://mine.azurecr.cn", True),
        ("http://mine.azurecr.io", False),
        ("https://azurecr.io.example", False),
    ],
)
def test_azures_registries_are_known_by_their_host(url: str, is_one: bool) -> None:
    assert is_azures(yarl.URL(url)) is is_one
