"""What people do in the studio, in a browser, against a host."""

from typing import TYPE_CHECKING, Any

import pytest

from cli.studio.server import StudioServer
from outside import serving
from outside.running_host import RunningHost
from studio.pages import BUILT
from tests.e2e.studio.conftest import OpenPage
from tests.kit.waiting import until

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
LINES = """
def init():
    pass


def run(mini_batch):
    return [f"seen {os.path.basename(path)}" for path in mini_batch]


import os
"""
HOSTILE = '<img src=x onerror="alert(1)">{{7*7}}</script><script>alert(2)</script>'


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


def test_an_endpoint_is_made_deployed_given_traffic_and_asked_without_a_terminal(
    host: RunningHost, code: str, page: "Page"
) -> None:
    page.get_by_role("button", name="New online endpoint").first.click()
    page.get_by_label("Name").fill("made-here")
    shown(page, "The same in a terminal")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="made-here").wait_for()
    until(lambda: host.workspace.get("onlineEndpoints/made-here")["name"])

    page.get_by_role("button", name="New deployment").click()
    page.get_by_label("Name").fill("first")
    page.get_by_label("Code").select_option(label="adds:1")
    page.get_by_label("Environment").select_option(label="bare:1")
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.get_by_role("heading", name="first").wait_for()
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_role("button", name="Change traffic").click()
    page.get_by_label("Share of first in percent").fill("100")
    page.get_by_role("button", name="Move the traffic").click()
    page.get_by_role("dialog").wait_for(state="detached")
    shown(page, "first 100 %")

    page.get_by_role("tab", name="Test").click()
    page.get_by_label("Request").fill('{"data": [20, 22]}')
    page.get_by_role("button", name="Send").click()
    shown(page, '"sum": 42')


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


def test_why_a_deployment_failed_stands_on_its_card(
    host: RunningHost, adds: str, studio: StudioServer, page: "Page"
) -> None:
    headless = serving.codes(host, "headless", {"score.py": "def init(): pass\n"})
    path = f"onlineEndpoints/{adds}/deployments/red"
    host.workspace.call("PUT", path, serving.deployment_body(host, headless))
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{adds}")
    shown(page, "does not define run()")
    host.workspace.mutate("DELETE", path)


def test_a_job_is_watched_to_its_output(
    host: RunningHost, studio: StudioServer, page: "Page", tmp_path: Any
) -> None:
    lines = serving.codes(host, "lines", {"score.py": LINES})
    workspace = host.workspace
    workspace.mutate("PUT", "batchEndpoints/lines", {"properties": {}})
    body = serving.deployment_body(host, lines)["properties"]
    kept = {name: body[name] for name in ("codeConfiguration", "environmentId")}
    deployment = {"properties": {**kept, "compute": "local", "miniBatchSize": 1}}
    workspace.mutate("PUT", "batchEndpoints/lines/deployments/only", deployment)
    default = {"properties": {"defaults": {"deploymentName": "only"}}}
    workspace.mutate("PATCH", "batchEndpoints/lines", default)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(name)
    uri = workspace.upload("data", "lines", "1", tmp_path)

    page.goto(f"{studio.doorkeeper.origins[0]}/studio/batch/lines")
    page.get_by_role("button", name="Invoke").click()
    page.get_by_role("textbox", name="Input").fill(uri)
    page.get_by_role("dialog").get_by_role("button", name="Invoke").click()
    shown(page, "Completed")
    page.get_by_role("button", name="First rows").click()
    shown(page, "seen b.txt")


def test_a_reader_sees_and_is_refused_with_the_hosts_reason(
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
    page.get_by_role("button", name="Ask for the keys").click()
    page.get_by_role("alert").wait_for()


def test_a_link_signs_in_once(studio: StudioServer, open_page: OpenPage) -> None:
    link = studio.link
    open_page(link).get_by_role("heading", name="Online endpoints").wait_for()
    shown(open_page(link), "its one-time code was used already")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_keeps_anybody_out(
    adds: str, studio: StudioServer, open_page: OpenPage, theme: str
) -> None:
    """By axe-core's rules for WCAG 2.2 AA, at the width of a telephone and of a screen."""
    page = open_page(studio.link, color_scheme=theme)
    page.get_by_role("heading", name="Online endpoints").wait_for()
    one = f"online/{adds}"
    paths = ["", one, *(f"{one}?tab={tab}" for tab in ("test", "consume", "logs", "metrics"))]
    paths += ["jobs", "models", "codes/adds", "computes", "access"]
    for path in paths:
        page.goto(f"{studio.doorkeeper.origins[0]}/studio/{path}")
        page.get_by_role("navigation", name="Pages").wait_for()
        page.wait_for_load_state("networkidle")
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(AXE.read_text())
            found = page.evaluate(
                "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a',"
                " 'wcag21aa', 'wcag22aa']})).violations.map(each => `${each.id} "
                "${each.nodes.map(node => node.html).join(' ')}`)"
            )
            assert found == [], path
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
