"""The studio's server on loopback, in front of a host that says what it was asked."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.host.contexts import Context
from cli.studio.doorkeeper import SECOND_SECRET
from cli.studio.server import StudioServer
from studio.pages import Pages
from tests.kit.waiting import PATIENCE

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/P/workspaces/w"


class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._tell(200)

    def do_POST(self) -> None:
        self._tell(201)

    def do_DELETE(self) -> None:
        self.send_response(204)
        self.end_headers()

    def _tell(self, status: int) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {
            "path": self.path,
            "token": self.headers.get_all("Authorization"),
            "names": sorted(name.lower() for name in self.headers),
            "size": len(body),
        }
        answer = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Set-Cookie", "of=the-host")
        if "broken" in self.path:
            self.send_header("Content-Length", str(len(answer) + 1))
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def host() -> Iterator[ThreadingHTTPServer]:
    host = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    with served(host):
        yield host


@pytest.fixture
def studio(
    host: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StudioServer]:
    (tmp_path / "index.html").write_text("page")
    monkeypatch.setenv("TOKEN", "of-the-command")
    context = Context(
        name="here",
        url=f"http://127.0.0.1:{host.server_port}",
        workspace=WORKSPACE,
        credential={"kind": "variable", "name": "TOKEN"},
    )
    server = StudioServer(context, Pages(tmp_path))
    with served(server):
        yield server


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Signed in by the server's link."""

    def __init__(self, studio: StudioServer) -> None:
        self._port = studio.server_port
        self.headers: dict[str, str] = {"Sec-Fetch-Site": "same-origin"}
        code = studio.link.partition("#code=")[2]
        opened = self.ask("POST", "/studio/session", json.dumps({"code": code}).encode())
        cookie = re.match(r"[^;]+", opened.headers["set-cookie"])
        assert cookie is not None
        assert "HttpOnly; SameSite=Strict" in opened.headers["set-cookie"]
        self.headers |= {"Cookie": cookie[0], SECOND_SECRET: opened.told["secret"]}

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {**self.headers, **headers})
            answer = connection.getresponse()
            lower = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, lower, answer.read())
        finally:
            connection.close()


def test_what_a_signed_in_page_asks_goes_to_the_host_with_the_commands_token(
    studio: StudioServer,
) -> None:
    browser = Browser(studio)
    answer = browser.ask(
        "GET", f"{WORKSPACE}/onlineEndpoints?a=b", Origin=studio.doorkeeper.origins[0]
    )
    assert answer.status == 200
    assert answer.told["path"] == f"{WORKSPACE}/onlineEndpoints?a=b"
    assert answer.told["token"] == ["Bearer of-the-command"]
    assert {"cookie", "origin", SECOND_SECRET.lower()}.isdisjoint(answer.told["names"])
    assert answer.headers["etag"] == '"1"'
    assert "set-cookie" not in answer.headers
    posted = browser.ask("POST", "/endpoints/e/score", b"x" * 300_000, authorization="Bearer a-key")
    assert (posted.status, posted.told["size"]) == (201, 300_000)
    assert posted.told["token"] == ["Bearer a-key"]
    signed = browser.ask("GET", "/blobs/store/file?sig=1")
    assert signed.told["token"] is None
    assert browser.ask("DELETE", f"{WORKSPACE}/jobs/j").status == 204


def test_who_is_not_signed_in_or_asks_elsewhere_reaches_nothing(studio: StudioServer) -> None:
    browser = Browser(studio)
    path = f"{WORKSPACE}/onlineEndpoints"
    assert browser.ask("GET", path, Cookie="").status == 401
    guessing = Browser(studio)
    guessing.headers[SECOND_SECRET] = "guessed"
    assert guessing.ask("GET", path).status == 401
    assert browser.ask("GET", path, Host="evil.example").status == 403
    assert browser.ask("POST", path, b"{}", Origin="http://127.0.0.1:1").status == 403
    assert browser.ask("GET", "/metrics").status == 404
    assert browser.ask("GET", "/oauth2/v2.0/token").status == 404
    assert browser.ask("GET", "/endpoints/../metrics").status == 404
    assert browser.ask("POST", "/studio/session", b'{"code": "made up"}').status == 401
    assert browser.ask("POST", "/studio/session", b"[]").status == 401
    assert browser.ask("POST", "/studio/session", b"x" * 5000).status == 403


def test_pages_come_under_a_strict_policy_to_this_address_alone(studio: StudioServer) -> None:
    browser = Browser(studio)
    page = browser.ask("GET", "/studio/online/x", Cookie="")
    assert (page.status, page.body) == (200, b"page")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert browser.ask("GET", "/studio", Host="evil.example").status == 403
    settings = browser.ask("GET", "/studio/settings", Cookie="")
    assert settings.told == {"workspace": WORKSPACE, "signIn": "code"}
    assert browser.ask("GET", "/").headers["location"] == "/studio"


def test_an_answer_that_breaks_off_is_no_whole_one(studio: StudioServer) -> None:
    with pytest.raises(http.client.IncompleteRead):
        Browser(studio).ask("GET", f"{WORKSPACE}/broken")


def test_a_host_that_is_not_there_is_said_to_be(
    host: ThreadingHTTPServer, studio: StudioServer
) -> None:
    browser = Browser(studio)
    host.shutdown()
    host.server_close()
    answer = browser.ask("POST", f"{WORKSPACE}/x", b"{}")
    assert answer.status == 502
    assert "did not answer" in answer.told["error"]["message"]
