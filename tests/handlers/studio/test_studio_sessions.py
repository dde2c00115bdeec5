"""People sign in to the studio at an issuer, and nobody does it for them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import jwt
import pytest

from handlers.http import Routes
from infra.embedded.access.cipher import FernetCipher
from infra.web.client_proof import SecretProof
from infra.web.client_standing import UnsaidStanding
from infra.web.no_clients import NoClients
from infra.web.oidc_sign_ins import OidcClient, OidcSignIns
from infra.web.token_rights import ClaimedRoles
from infra.web.token_verifier import JwtVerifier, PublishedKeys
from studio.pages import Pages
from tests.handlers.conftest import BASE_URL, OpenClient
from tests.handlers.studio.opening import opened
from tests.kit.waiting import PATIENCE
from tests.servers.oidc import AUDIENCE, CLIENT, SECRET, OidcIssuer, oidc_issuer

OWN = {"x-studio": "1"}


@pytest.fixture(scope="module")
def running() -> Iterator[OidcIssuer]:
    with oidc_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: OidcIssuer) -> OidcIssuer:
    running.nonce, running.roles = None, ["contributor"]
    return running


class Browser:
    """Keeps cookies as a browser does, whose jar this client would not keep without TLS."""

    def __init__(self, host: httpx.AsyncClient) -> None:
        self._host = host
        self.cookies: dict[str, str] = {}
        self.said: list[str] = []

    async def ask(self, method: str, url: str, **headers: str) -> httpx.Response:
        told = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self._host.request(method, url, headers={**headers, "Cookie": told})
        for line in answer.headers.get_list("set-cookie"):
            self.said.append(line)
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer

    async def begin(self) -> str:
        """Where the issuer's page is."""
        answer = await self.ask("GET", "/studio/sign-in")
        assert answer.status_code == 303
        return answer.headers["location"]

    async def sign_in(self) -> httpx.Response:
        return await self.ask("GET", approved(await self.begin()))

    async def token(self, **headers: str) -> httpx.Response:
        return await self.ask("POST", "/studio/session", **{**OWN, **headers})


OpenBrowser = Callable[[], Browser]


def approved(link: str) -> str:
    """Where the issuer sends the browser back to."""
    return httpx.get(link, timeout=PATIENCE).headers["location"]


def told(answer: httpx.Response) -> str:
    return unquote(urlsplit(answer.headers["location"]).fragment)


@pytest.fixture
def open_browser(
    issuer: OidcIssuer, routes: Routes, open_client: OpenClient, tmp_path: Path
) -> OpenBrowser:
    keys = PublishedKeys(f"{issuer.url}/keys")
    verifier = JwtVerifier((issuer.url,), (AUDIENCE,), keys, UnsaidStanding(), ClaimedRoles())
    client = OidcClient(issuer.url, CLIENT, f"openid {AUDIENCE}", SecretProof(SECRET))
    cipher = FernetCipher(tmp_path / "key")
    (tmp_path / "index.html").write_text("<p>page</p>")
    sign_ins = OidcSignIns(client, cipher, verifier)
    app = opened(routes, NoClients("the issuer's"), sign_ins, cipher, Pages(tmp_path))
    host = open_client(app, role=None)

    return lambda: Browser(host)


async def test_who_signs_in_at_the_issuer_has_a_session_that_no_script_can_read(
    open_browser: OpenBrowser, issuer: OidcIssuer
) -> None:
    browser = open_browser()
    home = await browser.sign_in()
    assert (home.status_code, home.headers["location"]) == (303, f"{BASE_URL}/studio")
    kept = next(line for line in browser.said if line.startswith("__Host-studio="))
    assert all(f"; {word}" in kept for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"))
    answer = await browser.token()
    claims = jwt.decode(answer.json()["accessToken"], options={"verify_signature": False})
    assert (claims["sub"], claims["iss"]) == ("somebody", issuer.url)
    assert answer.headers["cache-control"] == "no-store"
    assert "__Host-studio-sign-in" not in browser.cookies

    assert (await browser.ask("DELETE", "/studio/session", **OWN)).status_code == 204
    assert (await browser.token()).status_code == 401
    settings = (await browser.ask("GET", "/studio/settings")).json()
    assert settings["signIn"] == "issuer"
    assert settings["signInLink"] == f"{BASE_URL}/studio/sign-in"


async def test_the_code_is_asked_for_with_pkce_and_a_nonce(open_browser: OpenBrowser) -> None:
    query = parse_qs(urlsplit(await open_browser().begin()).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{BASE_URL}/studio/signed-in"]
    assert len(query["state"][0]) > 40
    assert len(query["nonce"][0]) > 40


@pytest.mark.parametrize(
    "headers",
    [
        {"x-studio": ""},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_another_sites_page_gets_nothing_of_a_session(
    open_browser: OpenBrowser, headers: dict[str, str]
) -> None:
    browser = open_browser()
    await browser.sign_in()
    assert (await browser.token(**headers)).status_code == 403
    ended = await browser.ask("DELETE", "/studio/session", **{**OWN, **headers})
    assert ended.status_code == 403
    assert (await browser.token(origin=BASE_URL)).status_code == 200


async def test_an_answer_is_taken_by_the_browser_that_asked_alone_and_once(
    open_browser: OpenBrowser,
) -> None:
    attacker, victim = open_browser(), open_browser()
    back = approved(await attacker.begin())
    # By a browser that began nothing, and by one that began something else.
    assert "began no sign-in here" in told(await victim.ask("GET", back))
    await victim.begin()
    assert "another sign-in" in told(await victim.ask("GET", back))
    assert (await victim.token()).status_code == 401
    kept = dict(attacker.cookies)
    assert told(await attacker.ask("GET", back)) == ""
    attacker.cookies = kept
    assert "The code is no good" in told(await attacker.ask("GET", back))


async def test_what_is_not_of_this_sign_in_is_refused(
    open_browser: OpenBrowser, issuer: OidcIssuer
) -> None:
    browser = open_browser()
    issuer.nonce = "of another"
    assert "for another sign-in" in told(await browser.sign_in())
    issuer.nonce = None
    back = approved(await browser.begin())
    mixed = back.replace("iss=", "iss=https%3A%2F%2Fevil.example%2F")
    assert "another issuer's" in told(await browser.ask("GET", mixed))
    await browser.begin()
    state = parse_qs(urlsplit(await browser.begin()).query)["state"][0]
    denied = f"/studio/signed-in?state={state}&error=access_denied"
    assert "access_denied" in told(await browser.ask("GET", denied))
    assert (await browser.token()).status_code == 401


async def test_a_cookie_that_was_not_sealed_for_this_opens_nothing(
    open_browser: OpenBrowser,
) -> None:
    browser = open_browser()
    await browser.begin()
    # One that is sealed by the same key, for something else.
    browser.cookies["__Host-studio"] = browser.cookies["__Host-studio-sign-in"]
    assert (await browser.token()).status_code == 401
    browser.cookies["__Host-studio"] = "made-up"
    assert (await browser.token()).status_code == 401


async def test_an_issuer_that_is_away_is_told_as_that(
    routes: Routes, open_client: OpenClient, tmp_path: Path
) -> None:
    with oidc_issuer() as gone:
        url = gone.url
    client = OidcClient(url, CLIENT, "openid", SecretProof(None))
    cipher = FernetCipher(tmp_path / "key")
    keys = PublishedKeys(f"{url}/keys")
    verifier = JwtVerifier((url,), (AUDIENCE,), keys, UnsaidStanding(), ClaimedRoles())
    (tmp_path / "index.html").write_text("<p>page</p>")
    sign_ins = OidcSignIns(client, cipher, verifier)
    app = opened(routes, NoClients("the issuer's"), sign_ins, cipher, Pages(tmp_path))
    answer = await open_client(app, role=None).get("/studio/sign-in")
    assert "The issuer did not answer" in told(answer)
