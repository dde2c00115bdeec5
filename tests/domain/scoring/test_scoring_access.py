"""Who may score, in each auth mode, with two gateways on one store."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Unauthenticated, Unavailable
from domain.ports import Principal, TokenVerifier
from domain.scoring.online_routing import RouteTable
from domain.scoring.route import Route
from domain.scoring.scoring_access import TRUSTED_FOR, ScoringAccess
from domain.scoring.scoring_refusals import Refused
from tests.kit.clocks import START, HeldClock
from tests.kit.composed import PlainCipher
from tests.kit.computes import known
from tests.kit.stages.gateway_stage import PRIMARY, Gateways, issuers_token, opened
from tests.kit.waiting import PATIENCE


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    async with opened(tmp_path) as gateways:
        yield gateways


async def put(gateways: Gateways, mode: str) -> None:
    await gateways.iris("blue", authMode=mode)
    assert (await gateways.patch(traffic={"blue": 100})).status_code == 202


async def token(gateways: Gateways, endpoint: str = "iris") -> dict[str, Any]:
    reply = await gateways.one.arm("POST", f"onlineEndpoints/{endpoint}/token")
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    found: dict[str, Any] = reply.json()
    return found


async def error(gateways: Gateways, credential: str) -> tuple[int, str]:
    reply = await gateways.other.score(credential)
    return reply.status_code, reply.json()["error"]["code"]


async def test_a_token_of_one_host_is_taken_by_the_other_at_once(gateways: Gateways) -> None:
    await put(gateways, "aml_token")
    found = await token(gateways)
    now = gateways.clock.now().timestamp()
    assert set(found) == {
        "accessToken",
        "expiryTimeUtc",
        "refreshAfterTimeUtc",
        "tokenType",
    }
    assert found["expiryTimeUtc"] == now + 3600
    assert found["refreshAfterTimeUtc"] == now + 1800
    assert (await gateways.other.score(found["accessToken"])).status_code == 200


async def test_a_token_is_refused_from_its_expiry_on_and_told_why(gateways: Gateways) -> None:
    await put(gateways, "AMLToken")
    found = (await token(gateways))["accessToken"]
    assert (await gateways.other.score(found)).status_code == 200
    gateways.clock.move(3599)
    assert (await gateways.other.score(found)).status_code == 200
    gateways.clock.move(1)
    assert await error(gateways, found) == (401, "TokenExpired")


async def test_a_key_or_another_endpoint_s_token_opens_nothing(gateways: Gateways) -> None:
    await put(gateways, "AMLToken")
    body = {"properties": {"authMode": "AMLToken"}}
    await gateways.one.arm("PUT", "onlineEndpoints/tulips", body)
    tulips = (await token(gateways, "tulips"))["accessToken"]
    for credential in (PRIMARY, tulips, issuers_token("owner"), "x.y.z"):
        assert await error(gateways, credential) == (401, "AuthenticationFailed")


async def test_signing_keys_rotate_and_live_tokens_go_on(gateways: Gateways) -> None:
    await put(gateways, "AMLToken")
    old = (await token(gateways))["accessToken"]
    path = "onlineEndpoints/iris/regenerateKeys"
    reply = await gateways.other.arm("POST", path, {"keyType": "Primary"})
    assert reply.status_code == 202
    await gateways.settle()
    at_once = (await token(gateways))["accessToken"]
    gateways.clock.move(60)
    new = (await token(gateways))["accessToken"]
    assert len({t.partition(".")[0] for t in (old, at_once, new)}) == 2
    for found in (old, at_once, new):
        for gateway in gateways.all:
            assert (await gateway.score(found)).status_code == 200


async def test_an_old_signing_key_is_replaced_in_time_by_itself(tmp_path: Path) -> None:
    settings = {
        "aml_token_key_rotation": "1000",
        "aml_token_lifetime": "600",
        "aml_token_refresh_after": "300",
    }
    async with opened(tmp_path, settings=settings) as gateways:
        await put(gateways, "AMLToken")
        first = (await token(gateways))["accessToken"]
        gateways.clock.move(1001)
        second = (await token(gateways))["accessToken"]
        gateways.clock.move(20)
        third = (await token(gateways))["accessToken"]
        assert first.partition(".")[0] == second.partition(".")[0] != third.partition(".")[0]
        assert (await gateways.other.score(second)).status_code == 200
        assert (await gateways.other.score(third)).status_code == 200


async def test_leaving_the_mode_ends_every_token(gateways: Gateways) -> None:
    await put(gateways, "AMLToken")
    found = (await token(gateways))["accessToken"]
    assert (await gateways.other.score(found)).status_code == 200
    await gateways.patch(authMode="Key")
    assert await error(gateways, found) == (401, "AuthenticationFailed")
    await gateways.patch(authMode="AMLToken")
    assert await error(gateways, found) == (401, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("mode", "path", "body"),
    [
        ("Key", "token", None),
        ("AADToken", "token", None),
        ("AMLToken", "listKeys", None),
        ("AADToken", "regenerateKeys", {"keyType": "Primary"}),
        ("AMLToken", "regenerateKeys", {"keyType": "Primary", "keyValue": "x" * 20}),
    ],
)
async def test_what_does_not_fit_the_auth_mode_is_refused(
    gateways: Gateways, mode: str, path: str, body: Any
) -> None:
    await put(gateways, mode)
    reply = await gateways.one.arm("POST", f"onlineEndpoints/iris/{path}", body)
    assert reply.status_code == 400
    assert reply.json()["error"]["target"] == "properties.authMode"
    assert mode in reply.json()["error"]["message"]


async def test_no_answer_shows_the_ring(gateways: Gateways) -> None:
    await put(gateways, "AMLToken")
    assert "sealed" not in (await gateways.one.arm("GET", "onlineEndpoints/iris")).text


@pytest.mark.parametrize("role", ["scorer", "scorer/onlineEndpoints/iris", "contributor", "owner"])
async def test_the_issuer_s_token_opens_with_the_right_to_score(
    gateways: Gateways, role: str
) -> None:
    await put(gateways, "aad_token")
    for gateway in gateways.all:
        assert (await gateway.score(issuers_token(role))).status_code == 200


@pytest.mark.parametrize("role", ["reader", "scorer/onlineEndpoints/tulips", "nobody"])
async def test_without_the_right_to_score_a_good_token_is_403(
    gateways: Gateways, role: str
) -> None:
    await put(gateways, "aad_token")
    for _ in range(2):
        assert await error(gateways, issuers_token(role)) == (403, "AuthorizationFailed")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: issuers_token("owner", aud="api://ml-endpoints"), "AuthenticationFailed"),
        (lambda: issuers_token("owner", iss="https://other.example"), "AuthenticationFailed"),
        (lambda: issuers_token("owner", exp=1), "TokenExpired"),
        (lambda: issuers_token("owner")[:-8], "AuthenticationFailed"),
        (lambda: PRIMARY, "AuthenticationFailed"),
        (lambda: "\xff.\xfe.\xfd", "AuthenticationFailed"),
    ],
    ids=["audience", "issuer", "expired", "signature", "a key", "no text"],
)
async def test_what_is_no_token_of_the_issuer_s_for_scoring_is_401(
    gateways: Gateways, make: Callable[[], str], code: str
) -> None:
    await put(gateways, "aad_token")
    assert await error(gateways, make()) == (401, code)


async def test_refusals_are_told_through_the_request_record(gateways: Gateways) -> None:
    await put(gateways, "aad_token")
    await gateways.other.score("no.token.atall")
    await gateways.other.score(issuers_token("reader"))
    told = [(record.code, record.reason) for record in gateways.records]
    assert told == [(401, "AuthenticationFailed"), (403, "AuthorizationFailed")]


# -- what is remembered --------------------------------------------------------------------


class CountingVerifier(TokenVerifier):
    def __init__(self, expires_at: float | None) -> None:
        self.expires_at = expires_at
        self.asked = 0
        self.away = False

    async def verify(self, token: str) -> Principal:
        self.asked += 1
        if self.away:
            raise Unavailable("The issuer's keys cannot be had.")
        return Principal("me", frozenset({"scorer"}), self.expires_at)


async def route_of(gateways: Gateways) -> Route:
    route = await RouteTable(
        gateways.store, gateways.clock, read_limit=PATIENCE, refresh=known
    ).find("iris")
    assert route is not None
    return route


@pytest.mark.parametrize(("left", "trusted"), [(50.0, 50.0), (9000.0, TRUSTED_FOR), (None, 0.0)])
async def test_a_checked_token_is_trusted_until_it_expires_but_not_for_long(
    gateways: Gateways, left: float | None, trusted: float
) -> None:
    await put(gateways, "aad_token")
    route, clock = await route_of(gateways), HeldClock()
    verifier = CountingVerifier(None if left is None else clock.now().timestamp() + left)
    access = ScoringAccess(PlainCipher(), clock, verifier)
    await access.check(route, b"a-token")
    if trusted:
        clock.move(trusted - 1)
        verifier.away = True
        await access.check(route, b"a-token")
        assert verifier.asked == 1
        clock.move(1)
    verifier.away = False
    await access.check(route, b"a-token")
    assert verifier.asked == 2


class EndingVerifier(CountingVerifier):
    """Its clients may be gone."""

    def __init__(self) -> None:
        super().__init__(None)
        self.gone: set[str] = set()
        self.changes = 0

    def end(self, client: str) -> None:
        self.gone.add(client)
        self.changes += 1

    @property
    def epoch(self) -> int:
        return self.changes

    async def holds(self, subject: str, version: str) -> bool:
        return subject not in self.gone

    async def verify(self, token: str) -> Principal:
        if "me" in self.gone:
            raise Unauthenticated("Gone.", code="RevokedToken")
        self.asked += 1
        return Principal("me", frozenset({"scorer"}), START.timestamp() + 3600)


@pytest.mark.parametrize("mode", ["aad_token", "AMLToken"])
async def test_what_a_client_was_given_ends_with_the_client(gateways: Gateways, mode: str) -> None:
    await put(gateways, mode)
    found, client = b"a-token", "me"
    if mode == "AMLToken":
        found, client = (await token(gateways))["accessToken"].encode(), "an-owner"
    route, verifier = await route_of(gateways), EndingVerifier()
    access = ScoringAccess(gateways.adapters.cipher, HeldClock(), verifier)
    assert await access.check(route, found) == f"client:{client}"
    verifier.end("somebody else")
    assert await access.check(route, found) == f"client:{client}"
    verifier.end(client)
    with pytest.raises(Refused) as refused:
        await access.check(route, found)
    assert (refused.value.status, refused.value.code) == (401, "TokenRevoked")


async def test_it_is_told_which_of_two_keys_opened_the_endpoint(gateways: Gateways) -> None:
    await put(gateways, "Key")
    keys = (await gateways.one.arm("POST", "onlineEndpoints/iris/listKeys")).json()
    access = ScoringAccess(PlainCipher(), gateways.clock, CountingVerifier(None))
    route = await route_of(gateways)
    for name, caller in (("primaryKey", "key:primary"), ("secondaryKey", "key:secondary")):
        assert await access.check(route, keys[name].encode()) == caller
    for credential in (None, b"", keys["primaryKey"][:-1].encode()):
        with pytest.raises(Refused):
            await access.check(route, credential)


async def test_what_is_remembered_is_bounded(gateways: Gateways) -> None:
    await put(gateways, "aad_token")
    route, clock = await route_of(gateways), HeldClock()
    verifier = CountingVerifier(clock.now().timestamp() + 100)
    access = ScoringAccess(PlainCipher(), clock, verifier, remembered=10)
    for number in range(100):
        await access.check(route, f"token-{number}".encode())
    for number in range(90, 100):
        await access.check(route, f"token-{number}".encode())
    assert verifier.asked == 100
    await access.check(route, b"token-89")
    assert verifier.asked == 101


async def test_an_issuer_out_of_reach_is_503_not_401(gateways: Gateways) -> None:
    await put(gateways, "aad_token")
    verifier = CountingVerifier(None)
    verifier.away = True
    gateways.adapters = replace(gateways.adapters, scoring_verifier=verifier)
    async with AsyncExitStack() as stack:
        reply = await gateways.start(stack).score("a-token")
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "ServiceUnavailable"


async def test_a_token_is_checked_without_the_store(gateways: Gateways) -> None:
    await put(gateways, "AMLToken")
    found = (await token(gateways))["accessToken"].encode()
    route = await route_of(gateways)
    cipher = gateways.adapters.cipher
    access = ScoringAccess(cipher, gateways.clock, CountingVerifier(None))
    await gateways.store.close()
    for _ in range(3):
        await access.check(route, found)
    with pytest.raises(Refused):
        await access.check(route, found + b"x")
