"""The studio's server on loopback: its pages, its sessions, and what it passes on to the host."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from cli.failures import CommandFailed
from cli.host.arm import Arm
from cli.host.contexts import Context
from cli.host.wire import Answer
from cli.studio.doorkeeper import COOKIE, SECOND_SECRET, Doorkeeper
from studio.pages import HEADERS, Pages

_PASSED_ON = ("/subscriptions/", "/endpoints/", "/blobs/")
"""What of the host the studio asks for."""
_WITHOUT_TOKEN = "/blobs/"
"""What is signed in its own address, where a bearer token beside it would be refused."""
_KEPT_HERE = frozenset(
    {
        *("host", "cookie", "connection", "keep-alive", "transfer-encoding", "upgrade", "te"),
        *("origin", "referer", "accept-encoding", "expect", "proxy-connection"),
        SECOND_SECRET.lower(),
    }
)
_OF_THE_CONNECTION = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "set-cookie", "upgrade"}
)
_LONGEST_CODE = 4096
_IDLE = 60


class StudioServer(ThreadingHTTPServer):
    """On a port of 127.0.0.1, which `server_port` tells; `port` 0 is any free one. A token of
    `context` is held here and never given to the page."""

    daemon_threads = True

    def __init__(self, context: Context, pages: Pages, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.context = context
        self.pages = pages
        self.doorkeeper = Doorkeeper(self.server_port)

    @property
    def link(self) -> str:
        """Where a browser signs in; good once, for a minute."""
        return f"{self.doorkeeper.origins[0]}/studio#code={self.doorkeeper.new_code()}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle is no fault of anybody's."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StudioServer
    timeout = _IDLE
    _arm: Arm | None = None
    """This connection's way to the host."""

    def log_message(self, format: str, *args: Any) -> None:
        """The terminal is the user's."""

    def finish(self) -> None:
        """The connection ends."""
        super().finish()
        if self._arm is not None:
            self._arm.close()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self.server.doorkeeper.is_own_page(self.headers):
            self._refuse(403, "NotThisPage", "The studio answers its own pages alone.")
        elif path == "/":
            self._say(302, "text/plain", b"", Location="/studio")
        elif path == "/studio/settings":
            told = {"workspace": self.server.context.workspace, "signIn": "code"}
            self._say(200, "application/json", json.dumps(told).encode())
        elif path == "/studio" or path.startswith("/studio/"):
            self._page(path)
        else:
            self._pass_on()

    def do_POST(self) -> None:
        if self.path == "/studio/session":
            self._sign_in()
        else:
            self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def do_PATCH(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def _page(self, path: str) -> None:
        """A file, or for every address within the studio the page that reads it."""
        file = self.server.pages.found(path.removeprefix("/studio/"))
        self._say(200, file.type, file.content)

    def _sign_in(self) -> None:
        doorkeeper = self.server.doorkeeper
        size = self._length()
        if not doorkeeper.is_own_page(self.headers) or not 0 < size <= _LONGEST_CODE:
            self._refuse(403, "NotThisPage", "The studio answers its own pages alone.")
            return
        try:
            code = json.loads(self.rfile.read(size))["code"]
            opened = doorkeeper.open(code)
        except (ValueError, KeyError, TypeError):
            opened = None
        if opened is None:
            self._refuse(401, "CodeUsed", "This code was used, or is older than a minute.")
            return
        cookie = f"{COOKIE}={opened.cookie}; HttpOnly; SameSite=Strict; Path=/"
        body = json.dumps({"secret": opened.secret}).encode()
        self._say(200, "application/json", body, **{"Set-Cookie": cookie})

    def _pass_on(self) -> None:
        doorkeeper = self.server.doorkeeper
        if not doorkeeper.is_own_page(self.headers):
            self._refuse(403, "NotThisPage", "The studio answers its own pages alone.")
        elif not doorkeeper.knows(self.headers):
            self._refuse(401, "SignedOut", "Run `mle studio` again: this session has ended.")
        elif not self.path.startswith(_PASSED_ON) or "/../" in self.path:
            self._refuse(404, "NotFound", "The studio passes nothing on to this address.")
        elif self.headers.get("Transfer-Encoding"):
            self._refuse(411, "LengthRequired", "A body's length must be told.")
        else:
            self._ask_host()

    def _ask_host(self) -> None:
        arm = self._arm = self._arm or Arm(self.server.context)
        headers = {n: v for n, v in self.headers.items() if n.lower() not in _KEPT_HERE}
        own = "Authorization" in self.headers or self.path.startswith(_WITHOUT_TOKEN)
        length = self._length()
        body = _Body(self.rfile, length) if length else None
        try:
            if not own:
                headers["Authorization"] = f"Bearer {arm.tokens.token()}"
            url = f"{self.server.context.url}{self.path}"
            answer = arm.wire.send(self.command, url, headers, body)
            if answer.status == 401 and not own and body is None:
                answer.read()
                headers["Authorization"] = f"Bearer {arm.tokens.token(anew=True)}"
                answer = arm.wire.send(self.command, url, headers, None)
        except CommandFailed as failed:
            self._refuse(502, "HostUnreachable", failed.message)
            return
        self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        """What the host says, as it comes."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        has_body = self.command != "HEAD" and answer.status not in (204, 304)
        if has_body:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in answer.pieces():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        except CommandFailed:
            # The head has gone: only a cut tells the page that this is not all.
            self.close_connection = True
            return
        if has_body:
            self.wfile.write(b"0\r\n\r\n")

    def _length(self) -> int:
        told = self.headers.get("Content-Length", "0")
        return int(told) if told.isdecimal() else 0

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.close_connection = True  # A body may be on its way that nobody reads.
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        self._say(status, "application/json", body, Connection="close")

    def _say(self, status: int, type: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        told = {
            "Content-Type": type,
            "Content-Length": str(len(body)),
            **HEADERS,
            **headers,
        }
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Body:
    """So many bytes of a request's body, read as they are sent on."""

    def __init__(self, source: Any, length: int) -> None:
        self._source = source
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        piece: bytes = self._source.read(size) if size else b""
        self._left -= len(piece)
        return piece
