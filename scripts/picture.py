"""Take a picture of the studio: `python scripts/picture.py FILE.png`. Its host has two models,
callers and a rollout that is under way, as `make demo KEEP=1` has them."""

import shutil
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cli.host.contexts import from_connection_file
from cli.studio.server import StudioServer
from examples.client import Workspace
from examples.demo import ONLINE, Demo
from examples.host import Host
from examples.live import LiveTraffic, begin_rollout
from studio.pages import BUILT, Pages

_SIZE = {"width": 1280, "height": 860}
_LARGEST = 200_000
_PATIENCE = 300.0
"""Seconds, for a step of the rollout to be over."""


def main(file: Path) -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("There is no chromium: apt-get install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder) / "data")
        host.start()
        try:
            with Workspace(host.connection_file) as workspace:
                demo = Demo(workspace, Path(folder) / "work")
                demo.register_assets()
                demo.serve()
                begin_rollout(workspace, ONLINE, "PT20S")
                with LiveTraffic(workspace, ONLINE):
                    take(host, chromium, file)
        finally:
            host.stop()
    size = file.stat().st_size
    print(f"{file}: {size:,} bytes")
    return 0 if size <= _LARGEST else 1


def take(host: Host, chromium: str, file: Path) -> None:
    from playwright.sync_api import sync_playwright

    server = StudioServer(from_connection_file(host.connection_file), Pages(BUILT))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=_SIZE, color_scheme="light")
        page.goto(server.link)
        page.get_by_role("link", name=ONLINE).click()
        steps = page.get_by_role("list", name="Steps of the rollout")
        steps.get_by_text("kept its limits").first.wait_for(timeout=_PATIENCE * 1000)
        page.screenshot(path=file)
        browser.close()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
