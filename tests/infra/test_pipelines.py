"""The pipelines of infra/pipelines name what there is; their smoke test tells good from bad."""

import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.provisioning.hooks import APPLICATION_ID
from tests.infra.bicep.bicep_reader import statements
from tests.kit.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "infra" / "pipelines"
MAIN = (ROOT / "infra" / "bicep" / "main.bicep").read_text()
FILES = ["github-actions.yml", "azure-pipelines.yml"]


@pytest.mark.parametrize("name", FILES)
def test_a_pipeline_checks_shows_deploys_tries_and_goes_back(name: str) -> None:
    text = (PIPELINES / name).read_text()
    yaml.safe_load(text)
    steps = ("make test", "what-if", "azd provision", "azd deploy", "smoke-test.sh", "git checkout")
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    asked = set(re.findall(r"(\w+)=\"\$", text))
    parameters = {name for kind, name, _ in statements(MAIN) if kind == "param"}
    assert {"environmentName", "location", "applicationId"} <= asked & parameters
    assert asked - {"export", "AZURE_SUBSCRIPTION_ID"} <= parameters
    assert APPLICATION_ID in text
    outputs = {name for kind, name, _ in statements(MAIN) if kind == "output"}
    assert {"BASE_URL", "TOKEN_AUDIENCE", "AZURE_RESOURCE_GROUP"} <= outputs
    for target in re.findall(r"make (\w+)", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()
    assert "secrets." not in text


class Host(BaseHTTPRequestHandler):
    """An installation that is as `broken` says."""

    broken = ""

    def do_GET(self) -> None:
        known = self.headers.get("authorization") == "Bearer a-token"
        code = 200
        if self.path == f"/{self.broken}":
            code = 503
        elif self.path.endswith("/workspaces/prod/onlineEndpoints"):
            code = 200 if known or self.broken == "open" else 401
        elif self.path not in ("/healthz", "/readyz"):
            code = 404
        self.send_response(code)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("", "lists endpoints: 200"),
        ("readyz", "can work was answered 503, not 200"),
        ("open", "refuses who is nobody was answered 200, not 401"),
    ],
)
def test_the_smoke_test_tells_good_from_bad(
    broken: str, told: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Host, "broken", broken)
    az = tmp_path / "az"
    az.write_text("#!/bin/sh\ncase $2 in show) echo 1111;; *) echo a-token;; esac\n")
    az.chmod(0o755)
    ran = subprocess.run(
        ["sh", str(PIPELINES / "smoke-test.sh"), address, "api://x", "rg-prod", "prod"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SMOKE_TRIES": "1", "SMOKE_PAUSE": "0"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert told in ran.stdout + ran.stderr
    assert (ran.returncode == 0) is (broken == "")
