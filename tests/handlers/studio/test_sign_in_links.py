"""An owner's link signs one browser in to the studio, once; whoever tries more gets nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from domain.application import StudioAccess
from domain.identities.sign_in_links import MOST, SignInLinks
from domain.names import WorkspaceScope
from handlers.access import clients, sign_in_links
from handlers.addresses import Addresses
from handlers.http import Routes
from handlers.studio import portal
from infra.embedded.access.clients import ClientRegistry
from infra.embedded.access.own_clients import OwnClients
from infra.web.client_address import TrustedProxies
from infra.web.no_clients import NoClients
from infra.web.no_sign_ins import NoSignIns
from studio.pages import Pages
from tests.handlers.conftest import BASE_URL, OpenClient
from tests.kit.clocks import HeldClock
from tests.kit.composed import PlainCipher, RoleVerifier, admission
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

OWN = {"x-studio": "1", "origin": BASE_URL, "sec-fetch-site": "same-origin"}


class Team:
    """An owner, and a member `ann` whom he lets in."""

    def __init__(
        self, routes: Routes, open_client: OpenClient, scope: WorkspaceScope, folder: Path
    ) -> None:
        self.clock = HeldClock()
        self.registry = ClientRegistry(folder / "secrets")
        self.registry.add("owner", "owner")
        self.registry.add("ann", "reader")
        # A token is its role's name here.
        own = OwnClients(self.registry, folder / "connection.json", lambda client, _: client.role)
        links = SignInLinks(MemoryResourceStore(self.clock.unix), own, self.clock)
        access = StudioAccess(NoSignIns(), PlainCipher(), links)
        app = (
            clients.blueprint(routes, own),
            sign_in_links.blueprint(routes, links),
            portal.blueprint(routes, own, access, Pages(folder)),
        )
        self.owner = open_client(*app)
        self.browser = open_client(*app, role=None)
        self.ann = scope.path("clients", "ann")

    async def link(self, **properties: str) -> str:
        """The code of a new one."""
        body = {"properties": properties}
        made = await self.owner.post(f"{self.ann}/createSignInLink", json=body)
        assert made.status_code == 201, made.text
        parts = urlsplit(made.json()["properties"]["link"])
        assert (parts.scheme, parts.netloc, parts.path) == ("http", "testserver", "/studio")
        assert parts.query == ""
        code: str = parts.fragment.removeprefix("link=")
        return code

    async def redeem(self, code: object, **headers: str) -> httpx.Response:
        return await self.browser.post(
            "/studio/link", json={"code": code}, headers={**OWN, **headers}
        )

    async def session(
        self, method: str, cookie: str, secret: str, **headers: str
    ) -> httpx.Response:
        shown = {"cookie": f"__Host-studio-link={cookie}", "x-studio-secret": secret}
        return await self.browser.request(
            method, "/studio/session", headers={**OWN, **shown, **headers}
        )

    async def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.owner.get(f"{self.ann}/signInLinks")).json()[
            "value"
        ]
        return found


@pytest.fixture
def team(routes: Routes, open_client: OpenClient, scope: WorkspaceScope, tmp_path: Path) -> Team:
    return Team(routes, open_client, scope, tmp_path)


def cookie_of(answer: httpx.Response) -> str:
    line = answer.headers["set-cookie"]
    assert all(f"; {word}" in line for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"))
    name, _, rest = line.partition("=")
    assert name == "__Host-studio-link"
    found: str = rest.partition(";")[0]
    return found


def code_of(answer: httpx.Response) -> str:
    assert "accessToken" not in answer.text
    found: str = answer.json()["error"]["code"]
    return found


async def test_a_link_signs_a_browser_in_once_with_the_members_role(team: Team) -> None:
    code = await team.link(sessionLength="PT1H")
    [seen] = await team.listed()
    assert seen["properties"]["state"] == "Open"
    signed_in = await team.redeem(code)
    assert signed_in.status_code == 200, signed_in.text
    assert signed_in.headers["cache-control"] == "no-store"
    cookie, secret = cookie_of(signed_in), signed_in.json()["secret"]
    assert signed_in.json()["accessToken"] == "reader"
    [seen] = await team.listed()
    assert (seen["properties"]["state"], seen["systemData"]["createdBy"]) == ("SignedIn", "a-owner")
    assert all(each not in str(seen) for each in (code, cookie, secret))

    again = await team.session("POST", cookie, secret)
    assert again.json()["accessToken"] == "reader"
    assert again.json()["expiresOn"] > 0
    replayed = await team.redeem(code)
    assert (replayed.status_code, code_of(replayed)) == (401, "LinkUsed")
    # The replay has ended nothing for whoever was first.
    assert (await team.session("POST", cookie, secret)).status_code == 200


async def test_of_two_that_use_a_link_at_once_one_is_signed_in(team: Team) -> None:
    code = await team.link()
    answers = await asyncio.gather(*(team.redeem(code) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_a_cookie_or_a_secret_alone_opens_nothing(team: Team) -> None:
    first, second = await team.redeem(await team.link()), await team.redeem(await team.link())
    cookie, secret = cookie_of(first), first.json()["secret"]
    other = second.json()["secret"]
    for tried in [(cookie, ""), ("", secret), (cookie, other), (cookie[:-1], secret), ("x", "y")]:
        for method in ("POST", "DELETE"):
            assert (await team.session(method, *tried)).status_code == 401, tried
    assert (await team.session("POST", cookie, secret)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-studio": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
async def test_another_site_or_name_uses_no_link_and_no_session(
    team: Team, headers: dict[str, str]
) -> None:
    code = await team.link()
    assert (await team.redeem(code, **headers)).status_code == 403
    signed_in = await team.redeem(code)
    shown = cookie_of(signed_in), signed_in.json()["secret"]
    for method in ("POST", "DELETE"):
        assert (await team.session(method, *shown, **headers)).status_code == 403
    assert (await team.session("POST", *shown)).status_code == 200


async def test_a_link_that_was_not_used_in_time_is_over(team: Team) -> None:
    code = await team.link(expiresIn="PT10M")
    team.clock.move(600)
    assert code_of(await team.redeem(code)) in ("LinkExpired", "LinkUnknown")


async def test_a_session_ends_when_it_is_told_to(team: Team) -> None:
    signed_in = await team.redeem(await team.link(sessionLength="PT10M"))
    shown = cookie_of(signed_in), signed_in.json()["secret"]
    team.clock.move(599)
    assert (await team.session("POST", *shown)).status_code == 200
    team.clock.move(1)
    assert code_of(await team.session("POST", *shown)) == "SignedOut"


async def test_a_change_of_the_clients_role_ends_links_and_sessions(team: Team) -> None:
    unused = await team.link()
    signed_in = await team.redeem(await team.link())
    shown = cookie_of(signed_in), signed_in.json()["secret"]
    await team.owner.patch(team.ann, json={"properties": {"role": "contributor"}})
    assert code_of(await team.redeem(unused)) == "LinkExpired"
    assert code_of(await team.session("POST", *shown)) == "SignedOut"
    assert {each["properties"]["state"] for each in await team.listed()} == {"Ended"}
    unused = await team.link()
    await team.owner.delete(team.ann)
    assert code_of(await team.redeem(unused)) == "LinkExpired"


async def test_links_and_sessions_are_revoked_by_owners_and_left_by_who_is_signed_in(
    team: Team,
) -> None:
    unused, used = await team.link(), await team.link()
    signed_in = await team.redeem(used)
    shown = cookie_of(signed_in), signed_in.json()["secret"]
    for each in await team.listed():
        url = f"{team.ann}/signInLinks/{each['name']}"
        assert (await team.owner.delete(url)).status_code == 200
        assert (await team.owner.delete(url)).status_code == 204
    assert code_of(await team.redeem(unused)) == "LinkUnknown"
    assert code_of(await team.session("POST", *shown)) == "SignedOut"

    signed_in = await team.redeem(await team.link())
    shown = cookie_of(signed_in), signed_in.json()["secret"]
    left = await team.session("DELETE", *shown)
    assert left.status_code == 204
    assert "__Host-studio-link=;" in left.headers["set-cookie"]
    assert (await team.session("POST", *shown)).status_code == 401


async def test_a_link_of_another_client_is_not_revoked_by_this_ones_name(team: Team) -> None:
    code = await team.link()
    [seen] = await team.listed()
    url = team.ann.replace("/ann", f"/owner/signInLinks/{seen['name']}")
    assert (await team.owner.delete(url)).status_code == 204
    assert (await team.redeem(code)).status_code == 200


async def test_who_guesses_is_kept_out(
    open_client: OpenClient, scope: WorkspaceScope, tmp_path: Path
) -> None:
    store = MemoryResourceStore(HeldClock().unix)
    admitted = admission(RoleVerifier(), store, refused=3)
    addresses = Addresses(BASE_URL, None, TrustedProxies((), "x-forwarded"), None)
    routes = Routes(admitted, admitted, scope, addresses)
    team = Team(routes, open_client, scope, tmp_path)
    code = await team.link()
    for _ in range(3):
        assert (await team.redeem(f"{code[:-1]}!")).status_code == 401
    # The right one, too, until the minute is over: nobody learns that he has guessed it.
    late = await team.redeem(code)
    assert (late.status_code, bool(late.headers["retry-after"])) == (429, True)


@pytest.mark.parametrize("code", [None, 7, [], "", ".", "..", "a/../b.c", "é.x", "x" * 5000])
async def test_what_is_no_code_signs_nobody_in(team: Team, code: object) -> None:
    answer = await team.redeem(code)
    assert answer.status_code in (400, 401, 413)
    assert code_of(answer)


async def test_so_many_links_there_may_be_and_those_that_are_over_make_room(team: Team) -> None:
    for _ in range(MOST):
        await team.link(expiresIn="PT10M")
    refused = await team.owner.post(f"{team.ann}/createSignInLink")
    assert (refused.status_code, code_of(refused)) == (409, "TooManySignInLinks")
    team.clock.move(timedelta(minutes=10).total_seconds())
    await team.link()
    assert len(await team.listed()) == 1


@pytest.mark.parametrize("role", ["reader", "contributor", "owner/onlineEndpoints/iris"])
async def test_owners_alone_make_see_and_revoke_them(team: Team, role: str) -> None:
    bearer = {"authorization": f"Bearer {role}"}
    for method, path in [
        ("POST", "createSignInLink"),
        ("GET", "signInLinks"),
        ("DELETE", "signInLinks/some"),
    ]:
        answer = await team.owner.request(method, f"{team.ann}/{path}", headers=bearer)
        assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({"expiresIn": "P8D"}, "properties.expiresIn"),
        ({"expiresIn": "soon"}, "properties.expiresIn"),
        ({"sessionLength": "P31D"}, "properties.sessionLength"),
        ({"role": "owner"}, "properties.role"),
    ],
)
async def test_what_a_link_may_not_be_is_refused(
    team: Team, properties: dict[str, str], target: str
) -> None:
    body = {"properties": properties}
    refused = await team.owner.post(f"{team.ann}/createSignInLink", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["target"] == target


async def test_nobody_gets_a_link_to_what_is_no_client(team: Team) -> None:
    nobody = team.ann.replace("/ann", "/nobody")
    assert (await team.owner.post(f"{nobody}/createSignInLink")).status_code == 404


async def test_where_tokens_come_from_elsewhere_there_are_no_links(
    routes: Routes, open_client: OpenClient, scope: WorkspaceScope, tmp_path: Path
) -> None:
    clock = HeldClock()
    elsewhere = NoClients("Entra's")
    links = SignInLinks(MemoryResourceStore(clock.unix), elsewhere, clock)
    access = StudioAccess(NoSignIns(), PlainCipher(), links)
    app = (
        sign_in_links.blueprint(routes, links),
        portal.blueprint(routes, elsewhere, access, Pages(tmp_path)),
    )
    ann = scope.path("clients", "ann")
    refused = await open_client(*app).post(f"{ann}/createSignInLink")
    assert (refused.status_code, code_of(refused)) == (400, "NotSupported")
    answer = await open_client(*app, role=None).post("/studio/link", json={}, headers=OWN)
    assert answer.status_code == 404
