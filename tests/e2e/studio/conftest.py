"""A browser, the studio in front of a host, and a page that is signed in."""

import importlib.util
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from cli.host.contexts import from_connection_file
from cli.studio.server import StudioServer
from outside.running_host import RunningHost
from studio.pages import BUILT, Pages
from tests.kit.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

REQUIRE: Final = "BROWSER_TESTS_REQUIRED"
_QUIET: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Root has no sandbox to give, and a browser that asks its maker's servers is not told apart from
a page that does."""

OpenPage = Callable[..., Any]


def without(reason: str) -> NoReturn:
    """Skip the test, or fail it where a browser is required."""
    if os.environ.get(REQUIRE):
        pytest.fail(f"{reason}, and {REQUIRE} is set")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    """Where it is: looked for before a host is started for it."""
    found = shutil.which("chromium")
    if found is None:
        without("there is no chromium (apt-get install chromium)")
    if not (BUILT / "index.html").is_file():
        without("the studio is not built (make studio)")
    if importlib.util.find_spec("playwright") is None:
        without("playwright is not installed (make browser-tests)")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:
    """It runs a loop of its own in this thread, so it must be gone before any other module's test
    runs one."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(_QUIET))
        yield started
        started.close()


@pytest.fixture(scope="module")
def studio(browser: "Browser", host: RunningHost) -> Iterator[StudioServer]:
    """As `mle studio` serves it."""
    context = from_connection_file(host.connection_file)
    server = StudioServer(context, Pages(BUILT))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Watched:
    """What a page must never do: break its policy, fail, or ask anybody but its origin."""

    def __init__(self, context: "BrowserContext", *origins: str) -> None:
        self.faults: list[str] = []
        self._origins = origins
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("request", self._request)
        context.on("dialog", lambda dialog: self.faults.append(f"a dialog: {dialog.message}"))

    def _console(self, message: Any) -> None:
        # What the host refuses is told there too; pages show it themselves.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((*self._origins, "data:", "blob:")):
            self.faults.append(f"it asked {request.url}")


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[OpenPage]:
    """Opens a link in a browser that knows nothing yet; whatever the page must never do fails the
    test at its end. It may `lead_to` another origin, and nowhere else."""
    opened: list[tuple[BrowserContext, Watched]] = []

    def open_one(link: str, lead_to: str = "", **options: Any) -> "Page":
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        elsewhere = (lead_to,) if lead_to else ()
        watched = Watched(context, "/".join(link.split("/")[:3]), *elsewhere)
        opened.append((context, watched))
        page = context.new_page()
        page.goto(link)
        return page

    yield open_one
    faults = [fault for _, watched in opened for fault in watched.faults]
    for context, _ in opened:
        context.close()
    assert faults == []


@pytest.fixture
def page(studio: StudioServer, open_page: OpenPage) -> "Page":
    """Signed in as the owner, by a link of `mle studio`."""
    opened: Page = open_page(studio.link)
    opened.get_by_role("heading", name="Online endpoints").wait_for()
    return opened
