"""The HTTP door: uvicorn on a socket that is already bound, with what it does not limit
limited here (the size of a head, the time it may take, the number of connections)."""

import asyncio
import contextlib
import json
import logging
import select
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from infra.embedded.access.tls import TlsFiles
from infra.telemetry.prometheus_text import head, line

_log = logging.getLogger(__name__)

HEAD_LIMIT = 64 * 1024
HEADERS_LIMIT = 200
_LOOKS = 4
GOODBYE_TIME = 0.5
LINGER = 1.0
"""Seconds for callers that are just connecting, or shaking hands, when another process takes
over: they ask here."""
KEEP_ALIVE = 75
CONNECTIONS = 4096


class CutOff(Exception):
    """Raised by the app: an answer that has begun cannot be ended, and why is logged already.
    The connection is cut, so that nobody takes a part for the whole."""


class _HeadTooLarge(Exception):
    pass


class _HostUnclear(Exception):
    pass


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], CutOff))


class _State(ServerState):
    """Counts the connections that were ever made. While `leaving`, each answer is its
    connection's last, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.leaving = False


class _Protocol(HttpToolsProtocol):
    """Answers 431 to a head over the limit, 400 to one that does not name its host once, and
    knows whether it is waiting for one."""

    head_size = 0
    hosts = 0
    awaits_head = False
    looks = 0
    """At it by the server, since it awaits this head."""

    @property
    def idle(self) -> bool:
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if isinstance(self.server_state, _State):
            self.server_state.made += 1
        self.awaits_head, self.looks = True, 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_size = self.hosts = 0
        self.awaits_head, self.looks = True, 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if len(name) == 4 and name.lower() == b"host":
            self.hosts += 1
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.hosts != 1 and (self.hosts or self.parser.get_http_version() != "1.0"):
            raise _HostUnclear  # It becomes a 400, as an overlong head becomes a 431.
        self.awaits_head = False
        super().on_headers_complete()
        if isinstance(self.server_state, _State) and self.server_state.leaving:
            self.last_answer()

    def last_answer(self) -> None:
        """The answer that has not begun yet, if there is one, says that it is the last."""
        if not self.idle:
            self.cycle.keep_alive = False

    @property
    def may_part(self) -> bool:
        """Whether nothing is under way, nor on its way as far as can be seen. A caller that has
        not asked anything yet is about to."""
        answered = self.cycle is not None and self.idle and not self.awaits_head
        return answered and not _has_come(self.transport)

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # A request is still being answered here: nothing else can be said in between.
            self.transport.close()
            return
        if self.head_size > HEAD_LIMIT or len(self.headers or ()) > HEADERS_LIMIT:
            status, code = 431, "RequestHeaderFieldsTooLarge"
            text = f"A request's head is limited to {HEAD_LIMIT} bytes and {HEADERS_LIMIT} fields."
        else:
            status, code = 400, "InvalidRequest"
            text = "This is not an HTTP/1.1 request, which names its host once."
        body = json.dumps({"error": {"code": code, "message": text}}).encode()
        head = (
            b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        ) % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self.head_size += size
        if self.head_size > HEAD_LIMIT or len(self.headers) > HEADERS_LIMIT:
            raise _HeadTooLarge  # The parser turns it into its own error, and that into a 431.


def _has_come(transport: asyncio.Transport) -> bool:
    """Whether the system has bytes that this process has not read."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the host, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: _State = _State()
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI app on a bound socket until stopped. A head may take `head_time` seconds,
    and what is in flight at the end `grace`."""

    def __init__(
        self,
        app: Any,
        bound: socket.socket,
        tls: TlsFiles | None,
        *,
        grace: float,
        head_time: float,
    ) -> None:
        self._head_time = head_time
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=2048,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=max(1, round(grace)),
            ssl_certfile=str(tls.certificate) if tls else None,
            ssl_keyfile=str(tls.key) if tls else None,
        )
        self._bound = bound
        self._server = _Uvicorn(self._config)
        self._serving: asyncio.Task[None] | None = None
        self._reaping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once connections are answered."""
        self._config.load()
        if isinstance(self._config.ssl, ssl.SSLContext):
            self._config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._bound]))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait((up, self._serving), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._serving.done():
            self._serving.result()
            raise OSError("the HTTP server did not start")
        self._reaping = asyncio.create_task(self._reap())

    def renew(self, tls: TlsFiles) -> None:
        """Show new connections a new certificate."""
        if isinstance(self._config.ssl, ssl.SSLContext):
            self._config.ssl.load_cert_chain(tls.certificate, tls.key)

    def text(self) -> str:
        """Its connections, in Prometheus' text format."""
        state = self._server.server_state
        active, made = "online_endpoint_ConnectionsActive", "online_endpoint_NewConnections_total"
        lines = (
            *head(active, "gauge", "Connections to this host, whichever endpoint they ask."),
            line(active, {}, len(state.connections)),
            *head(made, "counter", "Connections ever made to this host."),
            line(made, {}, state.made),
        )
        return "".join(f"{each}\n" for each in lines)

    async def leave(self) -> None:
        """Accept nothing new: another process does, on the same socket. Each answer says that it
        is the last of its connection; after LINGER those on which nothing is under way are
        closed. Returns once there is none, however long a stream may last."""
        state = self._server.server_state
        state.leaving = True
        for listener in self._server.servers:
            listener.close()
        for connection in _connections(state):
            connection.last_answer()
        await asyncio.sleep(LINGER)
        while state.connections:
            for connection in _connections(state):
                if connection.may_part and not connection.transport.is_closing():
                    connection.transport.close()
            await asyncio.sleep(GOODBYE_TIME)
            for connection in _connections(state):
                if connection.transport.is_closing() and connection.idle:
                    connection.transport.abort()

    async def stop(self) -> None:
        """Stop accepting, let what is in flight end within the grace, then cut it off."""
        if self._reaping is not None:
            self._reaping.cancel()
        if self._serving is not None:
            self._server.should_exit = True
            leaving = asyncio.create_task(self._let_go())
            try:
                await self._serving
            finally:
                leaving.cancel()

    async def _let_go(self) -> None:
        """Drop connections that have nothing under way. Closing is not enough: TLS waits for
        the caller's own goodbye, which an idle one in somebody's pool never says."""
        while True:
            await asyncio.sleep(GOODBYE_TIME)
            for connection in _connections(self._server.server_state):
                if connection.idle:
                    connection.transport.abort()

    async def _reap(self) -> None:
        """Close connections whose request head has been coming for too long. What counts are
        looks: while this host itself stood still, it read nothing of what its callers sent."""
        while True:
            await asyncio.sleep(self._head_time / _LOOKS)
            for connection in _connections(self._server.server_state):
                if not connection.awaits_head:
                    continue
                connection.looks += 1
                if connection.looks > _LOOKS and connection.transport is not None:
                    connection.transport.close()


def _connections(state: ServerState) -> list[_Protocol]:
    return [each for each in state.connections if isinstance(each, _Protocol)]
