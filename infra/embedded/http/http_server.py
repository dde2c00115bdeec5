"""The HTTP door: uvicorn's connections on a socket that is already bound, with what it does not
limit limited here (the number of connections, the size of a head, how slow a caller may be)."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from domain.audit.counted_address import counted_as
from infra.embedded.access.tls import TlsFiles
from infra.embedded.http.acceptor import Acceptor
from infra.embedded.http.caller_connection import LOOKS, CallerConnection, CutOff, DoorState
from infra.embedded.http.door_limits import DoorLimits
from infra.telemetry.prometheus_text import head, line

_log = logging.getLogger(__name__)

GOODBYE_TIME = 0.5
LINGER = 1.0
"""Seconds for callers that are just connecting, or shaking hands, when another process takes
over: they ask here."""
KEEP_ALIVE = 75
_DATE = 1.0
"""Seconds for which a Date header is good."""
_IN_A_ROW = 1000
"""Connections that are looked at before requests have their turn again."""


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], CutOff))


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the host, has connections accepted as this door does, and says when it
    is up."""

    def __init__(self, config: uvicorn.Config, state: DoorState) -> None:
        super().__init__(config)
        self.server_state: DoorState = state
        self.up = asyncio.Event()
        self._told_to_end = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        config, state = self.config, self.server_state
        tls = config.ssl if isinstance(config.ssl, ssl.SSLContext) else None

        def make(accepted: socket.socket, address: str) -> CallerConnection:
            state.made += 1
            return CallerConnection(config, state, accepted, counted_as(address, state.proxies))

        self.servers = [
            Acceptor(bound, state.rooms, make, tls)  # type: ignore[misc]  # it closes as one
            for bound in sockets or ()
        ]
        self.started = True
        self.up.set()

    async def main_loop(self) -> None:
        """Until `end`. Wakes once a second for the Date header alone: uvicorn's own looks ten
        times a second whether it should end, the most that a host at rest would do."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DATE):
                    await self._told_to_end.wait()

    def end(self) -> None:
        self.should_exit = True
        self._told_to_end.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI app on a bound socket until stopped. Every answer of the app carries
    `headers`; what is in flight at the end may take `grace` seconds."""

    def __init__(
        self,
        app: Any,
        bound: socket.socket,
        tls: TlsFiles | None,
        *,
        limits: DoorLimits,
        headers: Sequence[tuple[str, str]],
        grace: float,
    ) -> None:
        self._look_every = limits.head_time / LOOKS
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self._config = uvicorn.Config(
            app,
            http=CallerConnection,
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            headers=list(headers),
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=max(1, round(grace)),
            ssl_certfile=str(tls.certificate) if tls else None,
            ssl_keyfile=str(tls.key) if tls else None,
        )
        self._bound = bound
        self._by_name = tls.by_name if tls else None
        self._state = DoorState(limits)
        self._server = _Uvicorn(self._config, self._state)
        self._serving: asyncio.Task[None] | None = None
        self._reaping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once connections are answered."""
        self._config.load()
        if isinstance(self._config.ssl, ssl.SSLContext):
            self._config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._by_name is not None:
                self._config.ssl.sni_callback = self._by_name
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

    def connections(self) -> tuple[int, int]:
        """How many there are now, and how many were ever made."""
        return len(self._state.rooms), self._state.made

    def text(self) -> str:
        """Its connections, in Prometheus' text format."""
        state = self._state
        active, made = "online_endpoint_ConnectionsActive", "online_endpoint_NewConnections_total"
        strangers, cut = "online_endpoint_Strangers", "online_endpoint_ConnectionsCut_total"
        reasons = {**state.cut, "room": state.rooms.made_room}
        lines = (
            *head(active, "gauge", "Connections to this host, whichever endpoint they ask."),
            line(active, {}, len(state.rooms)),
            *head(made, "counter", "Connections ever made to this host."),
            line(made, {}, state.made),
            *head(strangers, "gauge", "Of the active ones, those without a good credential yet."),
            line(strangers, {}, state.rooms.strangers),
            *head(
                cut, "counter", "Connections that were ended for what was too slow, or for room."
            ),
            *(line(cut, {"reason": reason}, count) for reason, count in sorted(reasons.items())),
        )
        return "".join(f"{each}\n" for each in lines)

    async def leave(self) -> None:
        """Accept nothing new: another process does, on the same socket. Each answer says that it
        is the last of its connection; after LINGER those on which nothing is under way are
        closed. Returns once there is none, however long a stream may last."""
        state = self._state
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
            self._server.end()
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
        """Look at every connection, and end those that are too slow."""
        told = 0
        while True:
            await asyncio.sleep(self._look_every)
            for number, connection in enumerate(list(self._state.rooms)):
                if not number % _IN_A_ROW:
                    await asyncio.sleep(0)
                if isinstance(connection, CallerConnection) and connection in self._state.rooms:
                    _look_at(connection)
            told = self._tell(told)

    def _tell(self, told: int) -> int:
        """Log how many strangers have left for others since `told` had."""
        made_room = self._state.rooms.made_room
        if made_room > told:
            _log.warning(
                "%d connections without a good credential were closed for newer ones; %d are open",
                made_room - told,
                self._state.rooms.strangers,
                extra={"action": "connections_cut"},
            )
        return made_room


def _look_at(connection: CallerConnection) -> None:
    try:
        slow = connection.look()
        if slow is not None:
            connection.end(slow)
    except Exception:  # Whatever is wrong with one, the others are to be looked at.
        _log.exception("a connection could not be looked at")
        connection.cut()


def _connections(state: ServerState) -> list[CallerConnection]:
    return [each for each in state.connections if isinstance(each, CallerConnection)]
