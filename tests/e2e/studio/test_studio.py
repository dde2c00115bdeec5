"""What people do in the studio, in a browser, against a host."""

from typing import TYPE_CHECKING

import pytest

from cli.studio.server import StudioServer
from outside import serving
from outside.running_host import RunningHost
from studio.pages import BUILT
from tests.e2e.studio.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = BUILT.parent / "node_modules" / "axe-core" / "axe.min.js"
SCORES = """
import json
import os


def init():
    print("<b>the model is loaded</b>")


def run(data):
    return {"sum": sum(json.loads(data)["data"])}
"""
HOSTILE = '<img src=x onerror="alert(1)">{{7*7}}</script><script>alert(2)</script>'


PARTS = ".card, table, .empty, .told, form, figure, pre, select"
"""Of which a page has some as soon as it has what it shows."""
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
PLACES = (
    *(
        ("", ""),
        ("", "New online endpoint"),
        ("online/adds", ""),
        ("online/adds", "New deployment"),
    ),
    *(
        (f"online/adds?tab={tab}", "")
        for tab in ("test", "consume", "logs", "metrics", "requests", "activity")
    ),
    *(
        (f"online/adds/blue?tab={tab}", "")
        for tab in ("state", "settings", "compare", "metrics", "revisions")
    ),
    *(("online/adds", "Guarded rollout"), ("batch/whole", "New deployment"), ("batch/whole", "")),
    *(("jobs", ""), ("models", "Register a model"), ("codes/adds", ""), ("computes", "")),
    *(("schedules", "New schedule"), ("access", ""), ("costs", "New budget")),
    *(("costs", "Prices"), ("alerts", "New alert"), ("queues", "")),
    *(("drops", ""), ("drops/whole", "")),
    *(("eventMappings", "New event mapping"), ("eventSubscriptions", "New event subscription")),
)
"""Every page, and every dialog that has fields, by the button that opens it."""


@pytest.fixture(scope="module")
def code(host: RunningHost) -> str:
    return serving.codes(host, "adds", {"score.py": SCORES})


@pytest.fixture(scope="module")
def adds(host: RunningHost, code: str) -> str:
    """An endpoint with two deployments."""
    serving.endpoint(host, "adds", description=HOSTILE)
    for name in ("blue", "green"):
        serving.deploy(host, f"adds/{name}", code)
    serving.traffic(host, "adds", blue=100)
    return "adds"


def shown(page: "Page", text: str) -> None:
    page.get_by_text(text).first.wait_for()


def test_traffic_is_moved_by_sliders_that_sum_to_a_hundred(
    host: RunningHost, adds: str, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{adds}")
    page.get_by_role("button", name="Change traffic").click()
    page.get_by_role("slider").nth(1).fill("30")
    shown(page, "In all 100 %")
    page.get_by_text("The same in a terminal").click()
    shown(page, "mle traffic adds blue=70 green=30")
    page.get_by_label("Share of green in percent").fill("40")
    page.get_by_label("Share of green in percent").blur()
    shown(page, "it must be 100, or 0 for none.")
    assert page.get_by_role("button", name="Move the traffic").is_disabled()
    page.get_by_label("Share of blue in percent").fill("60")
    page.get_by_label("Share of blue in percent").blur()
    page.get_by_role("button", name="Move the traffic").click()
    page.get_by_role("dialog").wait_for(state="detached")
    endpoint = host.workspace.get(f"onlineEndpoints/{adds}")
    assert endpoint["properties"]["traffic"] == {"blue": 60, "green": 40}


def test_two_deployments_answer_side_by_side(adds: str, studio: StudioServer, page: "Page") -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{adds}?tab=test")
    page.get_by_label("Deployment").select_option("blue")
    page.get_by_label("Beside").select_option("green")
    page.get_by_label("Request").fill('{"data": [1, 2]}')
    page.get_by_role("button", name="Send").click()
    shown(page, "Both answered the same.")


def test_a_key_is_made_anew_and_the_old_one_is_refused(
    host: RunningHost, adds: str, studio: StudioServer, page: "Page"
) -> None:
    old = serving.key(host, adds, "secondaryKey")
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{adds}")
    page.get_by_role("button", name="Ask for the keys").click()
    page.get_by_role("button", name="Make anew").nth(1).click()
    page.get_by_role("dialog").get_by_role("button", name="Make anew").click()
    page.get_by_role("dialog").wait_for(state="detached")
    assert serving.key(host, adds, "secondaryKey") != old


def test_why_a_deployment_failed_is_explained_beside_its_log(
    host: RunningHost, adds: str, studio: StudioServer, page: "Page"
) -> None:
    headless = serving.codes(host, "headless", {"score.py": "def init(): pass\n"})
    path = f"onlineEndpoints/{adds}/deployments/red"
    host.workspace.call("PUT", path, serving.deployment_body(host, headless))
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{adds}")
    shown(page, "does not define run()")
    page.get_by_role("link", name="red").click()
    steps = page.get_by_role("list", name="Steps of the deployment")
    steps.get_by_text("UserScriptFunctionNotFound").wait_for()
    assert steps.get_by_role("img", name="failed").count() == 1
    shown(page, "lacks init() or run()")
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("cell", name="codes/headless/versions/1").wait_for()
    page.get_by_role("tab", name="State").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name=adds).wait_for()


def test_a_reader_sees_what_he_may_and_is_shown_nothing_that_he_may_not_do(
    host: RunningHost, adds: str, open_page: OpenPage
) -> None:
    made = host.workspace.call("PUT", "clients/looks", {"properties": {"role": "reader"}}).json()
    page = open_page(f"{host.url}/studio/online/{adds}", ignore_https_errors=True)
    page.get_by_label("Client id").fill(made["properties"]["clientId"])
    page.get_by_label("Client secret").fill("guessed")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Client secret").fill(made["properties"]["clientSecret"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name=adds).wait_for()
    page.get_by_role("article").first.get_by_role("link", name="Open").wait_for()
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some((each) =>"
        " each.name.includes('Authorization/permissions') && each.responseEnd > 0)"
    )
    for act in ("New deployment", "Change traffic", "Roll back", "Delete", "Scale"):
        assert page.get_by_role("button", name=act).count() == 0, act
    assert page.get_by_role("button", name="Ask for the keys").count() == 0
    page.get_by_role("link", name="Access").click()
    page.get_by_role("alert").first.wait_for()


def test_a_link_signs_in_once(studio: StudioServer, open_page: OpenPage) -> None:
    link = studio.link
    open_page(link).get_by_role("heading", name="Online endpoints").wait_for()
    shown(open_page(link), "its one-time code was used already")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_keeps_anybody_out(
    host: RunningHost, adds: str, studio: StudioServer, open_page: OpenPage, theme: str
) -> None:
    """By axe-core's rules for WCAG 2.2 AA, at the width of a telephone and of a screen. Of a theme
    only contrast depends."""
    host.workspace.mutate("PUT", "batchEndpoints/whole", {"properties": {}})
    page = open_page(studio.link, color_scheme=theme)
    page.get_by_role("heading", name="Online endpoints").wait_for()
    rules = RULES if theme == "light" else "{type: 'rule', values: ['color-contrast']}"
    for path, button in PLACES:
        page.goto(f"{studio.doorkeeper.origins[0]}/studio/{path}")
        # A log that is followed keeps a request open: there is no idle network to wait for.
        page.locator("main").locator(PARTS).first.wait_for()
        if button:
            page.get_by_role("button", name=button).first.click()
            page.get_by_role("dialog").wait_for()
        page.evaluate(AXE.read_text())
        for width in (320, 1280) if theme == "light" else (1280,):
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate(
                f"async () => (await axe.run(document, {{runOnly: {rules}}})).violations.map("
                "each => `${each.id} ${each.nodes.map(node => node.html).join(' ')}`)"
            )
            assert found == [], (path, button)
            beyond = "document.documentElement.scrollWidth - innerWidth"
            assert page.evaluate(beyond) <= 0, f"{path} is wider than {width}"


def test_what_is_hostile_is_shown_as_text(
    host: RunningHost, adds: str, studio: StudioServer, page: "Page"
) -> None:
    """A script that ran would open a dialog, which fails the page."""
    origin = studio.doorkeeper.origins[0]
    page.goto(f"{origin}/studio/online/{adds}")
    shown(page, HOSTILE)
    page.goto(f"{origin}/studio/online/{adds}?tab=logs")
    shown(page, "<b>the model is loaded</b>")
    page.goto(f"{origin}/studio/online/{HOSTILE.replace('/', '%2F')}")
    page.get_by_role("alert").wait_for()
