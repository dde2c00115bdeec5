"""Calls of Azure Resource Manager whose answers are not what they should be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from domain.errors import Unavailable
from infra.compute.container_apps.arm.arm_budget import ALLOWED, SHARE, ArmBudget, Kind
from infra.compute.container_apps.arm.arm_calls import ArmCalls, ArmRefusal
from tests.kit.apps.scripted_apps import GivenToken, StandingClock


@dataclass
class Odd:
    """Answers every call with the same."""

    url: str = ""
    status: int = 200
    text: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Authorization", ""))
        return web.Response(status=self.status, text=self.text, headers=self.headers)


@pytest_asyncio.fixture
async def odd() -> AsyncIterator[Odd]:
    there = Odd()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", there.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    there.url = f"http://{host}:{port}"
    yield there
    await runner.cleanup()


@pytest_asyncio.fixture
async def calls(odd: Odd) -> AsyncIterator[ArmCalls]:
    made = ArmCalls(odd.url, GivenToken(), ArmBudget(StandingClock()))
    yield made
    await made.close()


async def test_a_link_to_elsewhere_is_not_followed(odd: Odd, calls: ArmCalls) -> None:
    odd.text = '{"value": [{"name": "a"}], "nextLink": "http://elsewhere.example/?x"}'
    with pytest.raises(ArmRefusal, match=r"leads to http://elsewhere\.example"):
        await calls.all("/apps")
    assert len(odd.asked) == 1


async def test_a_list_that_leads_to_itself_is_ended(odd: Odd, calls: ArmCalls) -> None:
    odd.text = f'{{"value": [], "nextLink": "{odd.url}/apps?page=2"}}'
    with pytest.raises(ArmRefusal, match="comes to no end"):
        await calls.all("/apps")
    assert len(odd.asked) == 2


@pytest.mark.parametrize("text", ['{"value": "no list"}', "[]", "<html>Bad gateway</html>", "7"])
async def test_what_is_no_list_is_refused(odd: Odd, calls: ArmCalls, text: str) -> None:
    odd.text = text
    with pytest.raises(ArmRefusal):
        await calls.all("/apps")


async def test_a_token_that_is_not_taken_is_renewed_once(odd: Odd) -> None:
    odd.status, odd.text = 401, '{"error": {"code": "ExpiredToken", "message": "it is over"}}'
    token = GivenToken()
    calls = ArmCalls(odd.url, token, ArmBudget(StandingClock()))
    with pytest.raises(ArmRefusal, match=r"it is over \(ExpiredToken\)"):
        await calls.get("/apps")
    assert (len(odd.asked), token.asked) == (2, 2)
    await calls.close()


async def test_a_host_that_is_nobody_says_so(odd: Odd) -> None:
    class Nobody(GivenToken):
        async def get_token(self, *scopes: str, **more: object) -> AccessToken:
            raise ClientAuthenticationError("no identity is here\nand much more")

    calls = ArmCalls(odd.url, Nobody(), ArmBudget(StandingClock()))
    with pytest.raises(Unavailable, match=r"this host has no token for it: no identity is here$"):
        await calls.get("/apps")
    assert odd.asked == []
    await calls.close()


async def test_details_of_a_refusal_are_told(odd: Odd, calls: ArmCalls) -> None:
    odd.status = 400
    odd.text = (
        '{"error": {"code": "Bad", "message": "It is bad.", "details": [{"message": "cpu"}]}}'
    )
    with pytest.raises(ArmRefusal, match=r"It is bad\. cpu \(Bad\)"):
        await calls.get("/apps")


async def test_a_log_s_stream_without_tls_is_not_shown_a_token() -> None:
    calls = ArmCalls("https://management.azure.com", GivenToken(), ArmBudget(StandingClock()))
    with pytest.raises(ArmRefusal, match="without TLS"):
        await calls.text("http://elsewhere.example/logs", "a-token")
    await calls.close()


@pytest.mark.parametrize("kind", list(Kind))
def test_a_budget_keeps_to_its_share_and_is_refilled(kind: Kind) -> None:
    clock = StandingClock(0.0)
    budget = ArmBudget(clock)
    most, refill = ALLOWED[kind]
    waits = [budget.wait(kind) for _ in range(round(most * SHARE) + 10)]
    assert waits[: round(most * SHARE)] == [0.0] * round(most * SHARE)
    assert waits[-1] == pytest.approx(10 / (refill * SHARE))
    clock.at += 60
    assert budget.wait(kind) == 0.0
    budget.hold(kind, 30)
    assert budget.wait(kind) == pytest.approx(30)
