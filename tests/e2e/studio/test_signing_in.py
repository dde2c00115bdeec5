"""People sign in to the studio of a host, in a browser: by an owner's link, and at an issuer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.e2e.studio.conftest import OpenPage
from tests.fleets.fleet import Fleet
from tests.servers.oidc import AUDIENCE, CLIENT, SECRET, OidcIssuer, oidc_issuer

if TYPE_CHECKING:
    from playwright.sync_api import Page

BODY = {"location": "local", "properties": {"authMode": "Key"}}


@pytest.fixture(scope="module")
def running() -> Iterator[OidcIssuer]:
    """To browsers it is another site than the host."""
    with oidc_issuer("localhost") as issuer:
        yield issuer


@pytest.fixture
def issuer(running: OidcIssuer) -> OidcIssuer:
    running.nonce, running.roles = None, ["contributor"]
    return running


@pytest.fixture(scope="module")
def issued(
    chromium: str, fleet: Fleet, running: OidcIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    """A host whose people have accounts at the issuer, with an endpoint `adds`."""
    settings = {
        "ML_ENDPOINTS_TOKEN_ISSUER": running.url,
        "ML_ENDPOINTS_TOKEN_AUDIENCE": AUDIENCE,
        "ML_ENDPOINTS_TOKEN_JWKS_URL": f"{running.url}/keys",
        "ML_ENDPOINTS_STUDIO_CLIENT_ID": CLIENT,
        "ML_ENDPOINTS_STUDIO_CLIENT_SECRET": SECRET,
        "ML_ENDPOINTS_STUDIO_SCOPE": "openid profile",
    }
    folder = tmp_path_factory.mktemp("issued") / "data"
    with fleet.hosting(folder, environment=settings) as host:
        owner = {"authorization": f"Bearer {running.signed(AUDIENCE, roles=['owner'])}"}
        url = f"{host.url}{host.connection['workspace']}/onlineEndpoints/adds"
        made = host.workspace.http.put(url, json=BODY, headers=owner)
        assert made.status_code == 201, made.text
        yield host


def with_account(open_page: OpenPage, host: RunningHost, issuer: OidcIssuer, path: str) -> "Page":
    """Signed in at the issuer, from a page of the studio that asks for it."""
    page: Page = open_page(
        f"{host.url}/studio/{path}", lead_to=issuer.url, ignore_https_errors=True
    )
    page.get_by_role("link", name="Sign in with your account").click()
    return page


def names_of_cookies(page: "Page") -> set[str]:
    return {cookie["name"] for cookie in page.context.cookies()}


def link_for(host: RunningHost, role: str, name: str) -> str:
    host.workspace.call("PUT", f"clients/{name}", {"properties": {"role": role}})
    made: dict[str, Any] = host.workspace.call("POST", f"clients/{name}/createSignInLink").json()
    link: str = made["properties"]["link"]
    return link


def test_an_account_signs_in_and_is_where_it_wanted_to_be(
    issued: RunningHost, issuer: OidcIssuer, open_page: OpenPage
) -> None:
    page = with_account(open_page, issued, issuer, "online/adds?tab=activity")
    page.get_by_role("heading", name="adds").wait_for()
    assert page.url == f"{issued.url}/studio/online/adds?tab=activity"
    page.get_by_role("button", name="New deployment").wait_for()
    # A reload and another tab are signed in, too; no script can read by what.
    page.reload()
    page.get_by_role("heading", name="adds").wait_for()
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in with your account").wait_for()
    assert names_of_cookies(page) == set()
    page.reload()
    page.get_by_role("link", name="Sign in with your account").wait_for()


def test_an_account_with_fewer_rights_is_shown_less(
    issued: RunningHost, issuer: OidcIssuer, open_page: OpenPage
) -> None:
    issuer.roles = ["reader"]
    page = with_account(open_page, issued, issuer, "online/adds")
    page.get_by_role("heading", name="adds").wait_for()
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some((each) =>"
        " each.name.includes('Authorization/permissions') && each.responseEnd > 0)"
    )
    for act in ("New deployment", "Change traffic", "Delete", "Ask for the keys"):
        assert page.get_by_role("button", name=act).count() == 0, act


def test_who_comes_back_with_what_was_not_asked_for_is_not_signed_in(
    issued: RunningHost, issuer: OidcIssuer, open_page: OpenPage
) -> None:
    issuer.nonce = "of another"
    page = with_account(open_page, issued, issuer, "")
    page.get_by_role("alert").get_by_text("for another sign-in").wait_for()
    for forged in ("code=guessed&state=guessed", "error=access_denied"):
        page.goto(f"{issued.url}/studio/signed-in?{forged}")
        page.get_by_role("alert").wait_for()
        assert page.url == f"{issued.url}/studio"
    assert names_of_cookies(page) == set()


def test_a_session_that_has_ended_is_begun_anew_where_it_was(
    issued: RunningHost, issuer: OidcIssuer, open_page: OpenPage
) -> None:
    page = with_account(open_page, issued, issuer, "")
    page.clock.install()
    page.goto(f"{issued.url}/studio/online/adds")
    page.get_by_role("heading", name="adds").wait_for()
    # As a browser does it when the hour of the token is over.
    page.context.clear_cookies()
    page.clock.fast_forward("01:00:00")
    page.get_by_text("Your session has ended").wait_for()
    page.get_by_role("link", name="Sign in with your account").click()
    page.get_by_role("heading", name="adds").wait_for()
    assert page.url == f"{issued.url}/studio/online/adds"


def test_an_owner_hands_a_link_to_a_member_who_is_signed_in_by_it_once(
    host: RunningHost, open_page: OpenPage
) -> None:
    serving.endpoint(host, "shared")
    owner = open_page(link_for(host, "owner", "chief"), ignore_https_errors=True)
    owner.get_by_role("button", name="Sign in").click()
    owner.get_by_role("link", name="Access").click()
    owner.get_by_role("button", name="Invite somebody").click()
    dialog = owner.get_by_role("dialog")
    dialog.get_by_label("Name").fill("ann")
    dialog.get_by_label("Role").fill("king")
    dialog.get_by_role("button", name="Make the link").click()
    dialog.locator("[aria-invalid]").wait_for()
    dialog.get_by_label("Role").fill("reader")
    dialog.get_by_text("The same in a terminal").click()
    dialog.get_by_text("mle client link --name ann --expires-in 1d --session 7d").wait_for()
    dialog.get_by_role("button", name="Make the link").click()
    dialog.get_by_role("heading", name="Hand this to ann").wait_for()
    link = dialog.locator("code").first.inner_text()
    assert link.startswith(f"{host.url}/studio#link=")

    member = open_page(link.replace("/studio#", "/studio/online/shared#"), ignore_https_errors=True)
    # What only looks at it uses nothing up; the code is gone from the address at once.
    member.get_by_role("button", name="Sign in").wait_for()
    assert member.url == f"{host.url}/studio/online/shared"
    member.get_by_role("button", name="Sign in").click()
    member.get_by_role("heading", name="shared").wait_for()
    member.reload()
    member.get_by_role("heading", name="shared").wait_for()
    assert member.evaluate("document.cookie") == ""
    other = member.context.new_page()
    other.goto(f"{host.url}/studio/online/shared")
    other.get_by_role("heading", name="shared").wait_for()

    thief = open_page(link, ignore_https_errors=True)
    thief.get_by_role("button", name="Sign in").click()
    thief.get_by_role("alert").get_by_text("was used already").wait_for()

    dialog.get_by_role("button", name="Done").click()
    owner.get_by_role("button", name="Links: ann").click()
    dialog.get_by_text("signed in").wait_for()
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    dialog.get_by_text("There is none.").wait_for()
    member.reload()
    member.get_by_label("Client id").wait_for()
    assert link.partition("#link=")[2] not in host.output.read_text(errors="replace")


def test_a_role_that_changes_ends_who_was_signed_in_by_a_link(
    host: RunningHost, open_page: OpenPage
) -> None:
    page = open_page(link_for(host, "contributor", "ben"), ignore_https_errors=True)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Online endpoints").wait_for()
    host.workspace.call("PATCH", "clients/ben", {"properties": {"role": "reader"}})
    page.get_by_text("Your session has ended").wait_for()


def test_a_links_cookie_alone_gets_no_token(host: RunningHost, open_page: OpenPage) -> None:
    page = open_page(link_for(host, "reader", "cy"), ignore_https_errors=True)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Online endpoints").wait_for()
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    shown = {"cookie": f"{cookie['name']}={cookie['value']}", "x-studio": "1"}
    http: httpx.Client = host.workspace.http
    for secret in ("", "guessed"):
        answer = http.post(
            f"{host.url}/studio/session", headers={**shown, "x-studio-secret": secret}
        )
        assert answer.status_code == 401
    assert http.post(f"{host.url}/studio/session", headers=shown).status_code == 404
