"""A webhook on this machine, as another system would run one."""

import base64
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Post:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def is_signed_with(self, key: str) -> bool:
        """As Standard Webhooks has a receiver check it."""
        secret = base64.b64decode(key.removeprefix("whsec_"))
        head = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        mac = base64.b64encode(hmac.digest(secret, head + self.body, "sha256")).decode()
        return f"v1,{mac}" in self.headers["webhook-signature"].split()


@dataclass
class WebhookReceiver:
    """Agrees to whoever asks, and answers each event with `answer`. Use as a context manager."""

    answer: Callable[[Post], int] = lambda _: 204
    consents: bool = True
    posts: list[Post] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.asked.append(headers)
                self.send_response(200)
                self.send_header("Allow", "POST")
                if receiver.consents:
                    origin = headers["webhook-request-origin"]
                    self.send_header("WebHook-Allowed-Origin", origin)
                    self.send_header("WebHook-Allowed-Rate", "*")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                post = Post(headers, self.rfile.read(int(headers["content-length"])))
                status = receiver.answer(post)
                receiver.posts.append(post)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def told(self, type: str) -> list[dict[str, Any]]:
        """The events of a type that came, each once."""
        events = {post.event["id"]: post.event for post in list(self.posts)}
        return [e for e in events.values() if e["type"] == f"MlEndpoints.{type}"]
