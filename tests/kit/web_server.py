"""A web server on this machine for what reads users' addresses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class WebServer:
    """`answers` by path; `asked` are the requests' paths as they came, `parts` the offset and
    length of those for a part of a file."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)

    def file(self, path: str, content: bytes) -> str:
        """Serve `content` there; its URL."""
        self.answers[path] = lambda request: reply(request, 200, content)
        return self.url + path

    def ranges(self, path: str, content: bytes) -> str:
        """As `file`, and parts of it for those who ask so, as blob stores serve them."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            asked = request.headers.get("Range")
            if asked is None:
                reply(request, 200, content)
                return
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            part = content[first : last + 1]
            told = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            self.parts.append((first, len(part)))
            reply(request, 206, part, content_range=told)

        self.answers[path] = answer
        return self.url + path

    def redirect(self, path: str, target: str) -> str:
        self.answers[path] = lambda request: reply(request, 302, b"", location=target)
        return self.url + path


def reply(request: BaseHTTPRequestHandler, status: int, content: bytes, **headers: str) -> None:
    request.send_response(status)
    request.send_header("content-length", str(len(content)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


@contextmanager
def web_server() -> Iterator[WebServer]:
    server = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            answer = server.answers.get(self.path.partition("?")[0])
            if answer is None:
                reply(self, 404, b"")
            else:
                answer(self)

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
