"""The audit, beside a database of the test's own."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from supply_chain import audit

KNOWN = {
    "id": "TEST-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "what a caller may do to it",
    "affected": [
        {
            "package": {"name": "aiohttp", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
        }
    ],
}


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, set[str]]]:
    """Its address, and the packages that it knows something against."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    against: set[str] = set()

    class Door(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._answer({"results": [self._about(query) for query in asked["queries"]]})

        def do_GET(self) -> None:
            self._answer(KNOWN)

        def _about(self, query: dict[str, Any]) -> dict[str, Any]:
            found = query["package"]["name"] in against
            short = {"id": KNOWN["id"], "modified": KNOWN["modified"]}
            return {"vulns": [short]} if found else {}

        def _answer(self, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", against
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_known_against_a_package_fails_the_audit(
    database: tuple[str, set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    address, against = database
    assert audit.main(["--database", address]) == 0
    against.add("aiohttp")
    capsys.readouterr()
    assert audit.main(["--database", address]) == 1
    shown = capsys.readouterr()
    assert str(KNOWN["id"]) in shown.out + shown.err


def test_a_database_out_of_reach_is_told_and_fails_only_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    nobody = ["--database", "http://127.0.0.1:1"]
    assert audit.main(nobody) == 0
    told = capsys.readouterr()
    assert told.err == (
        "The database of vulnerabilities cannot be reached from here: nothing was audited.\n"
    )
    assert audit.main([*nobody, "--required"]) == 1
