"""Every command of README, the tutorial and the guides, typed as a reader would, page by page.

What a page shows as a file is written first. `GUIDES_TESTS=1` asks for it, as in CI; one page by
`-k score-a-folder`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from outside.running_host import ROOT, RunningHost
from scripts.docs_site.blocks import Block, blocks

ASKED: Final = "GUIDES_TESTS"
HOST_ENVIRONMENT = {"ML_ENDPOINTS_LOG_TRAFFIC": "true", "ML_ENDPOINTS_COLLECT_PERIOD": "1"}
README: Final = ROOT / "README.md"
PAGES = [README, ROOT / "docs" / "tutorial.md", *sorted(ROOT.glob("docs/how-to/*.md"))]
REFUSED: Final = re.compile(r'"error":\s*\{')
"""In what `curl` says, which ends well whatever it is answered."""

pytestmark = pytest.mark.skipif(not os.environ.get(ASKED), reason=f"{ASKED}=1 runs the guides")


@pytest.fixture
def desk(host: RunningHost, tmp_path: Path) -> Path:
    """A folder in which the host is the one that is found, and `mle` is a command."""
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / ".data").symlink_to(host.data_dir)
    commands = tmp_path / "bin"
    commands.mkdir()
    mle = commands / "mle"
    mle.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cli "$@"\n')
    mle.chmod(0o755)
    return folder


def environment(desk: Path) -> dict[str, str]:
    above = desk.parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLE_")}
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {
        **kept,
        "PATH": f"{above / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLE_CONFIG_DIR": str(above / "config"),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", f"{cache}/uv"),
        "XDG_CACHE_HOME": str(above / "cache"),
        "CURL_CA_BUNDLE": str(desk / ".data" / "tls" / "ca.pem"),
        "FEED_PASSWORD": "a reader's own",
    }


def script(page: list[Block]) -> Iterator[str]:
    """The page as one piece of shell, which says where it is."""
    yield "set -eo pipefail"
    for block in page:
        if block.title:
            folder = Path(block.title).parent
            yield f"mkdir -p '{folder}'; cat > '{block.title}' <<'END-OF-FILE'"
            yield f"{block.text}END-OF-FILE"
        elif block.is_run:
            yield f"echo '--- line {block.line}' >&2"
            yield block.text


@pytest.mark.only_processes("guides are for whoever has one machine")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_has_one_type_is_done(page: Path, desk: Path, host: RunningHost) -> None:
    if page == README:  # It speaks from a checkout.
        (desk / ".venv").symlink_to(Path(sys.executable).parents[1])
        (desk / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script(list(blocks(page))))],
        cwd=desk,
        env=environment(desk),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    cleared(host)
    said = f"{page}:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert done.returncode == 0, said
    assert page != README or not REFUSED.search(done.stdout), said


def cleared(host: RunningHost) -> None:
    """The next page begins with a host that has none of this one's endpoints."""
    for collection in ("onlineEndpoints", "batchEndpoints"):
        for endpoint in host.workspace.get(collection)["value"]:
            host.workspace.mutate("DELETE", f"{collection}/{endpoint['name']}")
