"""How often pages ask by themselves."""

from typing import TYPE_CHECKING

import pytest

from cli.studio.server import StudioServer
from outside import serving
from outside.running_host import RunningHost
from tests.e2e.studio.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNTED = """
window.asked = 0;
const own = window.fetch;
window.fetch = (...given) => { window.asked += 1; return own(...given); };
"""
PARTS = ".card, table, .empty, .told, form, figure, pre, select"
PAGES = ("", "online/paced", "online/paced?tab=logs", "online/paced?tab=metrics", "jobs", "access")
SECONDS = 70
"""More than a minute, after which rights are asked for anew."""


@pytest.fixture(scope="module")
def paced(host: RunningHost) -> str:
    serving.endpoint(host, "paced")
    serving.deploy(host, "paced/blue", serving.codes(host, "paced", {"score.py": serving.ECHO}))
    return "paced"


@pytest.fixture
def counted(studio: StudioServer, open_page: OpenPage) -> "Page":
    """Signed in, on a clock that the test moves, with its requests counted."""
    page: Page = open_page(studio.link)
    page.get_by_role("heading", name="Online endpoints").wait_for()
    page.add_init_script(COUNTED)
    page.clock.install()
    return page


def asked(page: "Page", seconds: int) -> tuple[int, float]:
    """How often, and in how many seconds by the page's own clock."""
    at, before = page.evaluate("[performance.now(), window.asked]")
    for _ in range(seconds):
        page.clock.run_for(1000)
    now, after = page.evaluate("[performance.now(), window.asked]")
    return after - before, (now - at) / 1000


@pytest.mark.parametrize("path", PAGES)
def test_no_page_asks_more_than_once_a_second(
    paced: str, studio: StudioServer, counted: "Page", path: str
) -> None:
    counted.goto(f"{studio.doorkeeper.origins[0]}/studio/{path}")
    counted.locator("main").locator(PARTS).first.wait_for()
    requests, seconds = asked(counted, SECONDS)
    assert 0 < requests <= seconds


def test_a_page_that_nobody_sees_asks_seldom(studio: StudioServer, counted: "Page") -> None:
    counted.goto(f"{studio.doorkeeper.origins[0]}/studio/")
    counted.locator("main").locator(PARTS).first.wait_for()
    counted.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    requests, seconds = asked(counted, SECONDS)
    assert requests <= seconds / 10
