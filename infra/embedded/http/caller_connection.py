"""One caller's connection, from accept to its end: what it may say, and how slowly."""

import asyncio
import contextlib
import json
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from infra.embedded.http.connection_rooms import ConnectionRooms
from infra.embedded.http.door_limits import DoorLimits
from infra.embedded.http.upgrade_ignored import framing_head, parser_of_body

HEAD_LIMIT = 64 * 1024
HEADERS_LIMIT = 200
PIPELINED = 64
"""Requests that may wait behind the one that is being answered."""
LOOKS = 4
"""How often a handshake or a head is looked at in the time that it has."""
_BODY_LOOKS = 6
_ANSWER_LOOKS = 12
"""Looks in a row at which nothing more of an answer had been taken."""


class CutOff(Exception):
    """Raised by the app: an answer that has begun cannot be ended, and why is logged already.
    The connection is cut, so that nobody takes a part for the whole."""


class Slow(Enum):
    """What has been coming for too long, or was not taken."""

    HANDSHAKE = "handshake"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


class _HeadTooLarge(Exception):
    pass


class _HostUnclear(Exception):
    pass


class _TooManyWaiting(Exception):
    pass


class DoorState(ServerState):
    """What a door's connections share: how many were ever `made`, and `cut` for what was too
    slow. While `leaving`, each answer is its connection's last, and says so."""

    def __init__(self, limits: DoorLimits) -> None:
        super().__init__()
        self.rooms = ConnectionRooms(limits, time.monotonic)
        self.proxies = limits.proxies
        self.made = 0
        self.cut: Counter[str] = Counter({each.value: 0 for each in Slow})
        self.leaving = False
        self.least_body = round(limits.body_rate * limits.head_time * _BODY_LOOKS / LOOKS)
        """Bytes of a body that must come between so many looks."""


class CallerConnection(HttpToolsProtocol):
    """Answers 431 to a head over the limit, 400 to one that does not name its host once, 408 to
    a body that comes too slowly, and knows what it is waiting for. An app that finds a credential
    to be good calls what stands in the request's scope as `admitted`."""

    known = False
    awaits_head = False
    receiving = False
    """Whether a request's body is coming."""
    lingers = False
    """Whether that request has been answered already."""
    head_size = 0
    hosts = 0
    came = 0
    """Bytes of a body since it was judged last."""
    looks = 0
    """At it by the server, since it awaits what it awaits."""
    pending = 0
    stalls = 0
    """Looks at which as much was `pending` of what goes to the caller as before."""
    too_slow = False
    """Whether it is being ended for that."""

    def __init__(
        self,
        config: uvicorn.Config,
        state: DoorState,
        accepted: socket.socket,
        address: str,
    ) -> None:
        super().__init__(config, state, {})
        self.counted_as = address
        self.start: Callable[[], None] | None = None
        """Has it speak, once it may."""
        self.drop: Callable[[], None] | None = None
        """Ends it, as long as nothing has begun that would."""
        self.queued = False
        """Whether its handshake waits for its turn."""
        self._accepted = accepted
        self._door = state

    @property
    def idle(self) -> bool:
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.transport.get_write_buffer_size()

    @property
    def awaited(self) -> bool:
        """Whether the caller is to say something next, and has not."""
        if self.transport is None:
            waits = not self.queued
        else:
            waits = self.receiving or self.awaits_head or self.idle
        return waits and not _has_come(self._accepted)

    def begin(self) -> None:
        if self.start is not None:
            self.start()

    def admitted(self) -> None:
        """The caller is one of ours."""
        self.known = self.known or self._door.rooms.admit(self)

    # -- what comes -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.awaits_head, self.looks = True, 0

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # Of a connection that was reset uvicorn's timer would keep all there is for its whole time.
        self._unset_keepalive_if_required()
        self._door.rooms.gone(self)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("")

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                (parsed,) = upgrade.args
                data = framing_head(self.headers) + data[parsed:]
                self.parser = parser_of_body(self)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_size = self.hosts = 0
        self.awaits_head, self.looks = True, 0
        if not self.known:
            self.scope["admitted"] = self.admitted  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if not self.awaits_head:
            return  # A trailer: the app has its headers, and what stands there may be relied on.
        if len(name) == 4 and name.lower() == b"host":
            self.hosts += 1
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.hosts != 1 and (self.hosts or self.parser.get_http_version() != "1.0"):
            raise _HostUnclear  # It becomes a 400, as an overlong head becomes a 431.
        if len(self.pipeline) >= PIPELINED:
            raise _TooManyWaiting
        super().on_headers_complete()  # Raises for a target that names nothing: no body comes then.
        self.awaits_head, self.receiving, self.lingers = False, True, False
        self.came = self.looks = 0
        if self._door.leaving:
            self.last_answer()

    def on_body(self, body: bytes) -> None:
        self.came += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # It is the head that is complete.
        self.receiving = False
        super().on_message_complete()

    def resume_writing(self) -> None:
        self.stalls = 0
        super().resume_writing()

    # -- how it goes ------------------------------------------------------------------------

    def look(self) -> Slow | None:
        """What of it is too slow, if anything is. What counts are looks: while this host itself
        stood still, it read nothing of what its callers sent."""
        transport = self.transport
        if transport is None:
            return self._overdue(Slow.HANDSHAKE)
        pending = transport.get_write_buffer_size()
        if pending != self.pending:
            self.pending, self.stalls = pending, 0
        elif pending or transport.is_closing():
            self.stalls += 1
            if self.stalls > (LOOKS if transport.is_closing() else _ANSWER_LOOKS):
                return Slow.ANSWER
        if self.receiving:
            return self._look_at_body()
        if self.awaits_head:
            return self._overdue(Slow.HEAD)
        if self.timeout_keep_alive_task is None and self.idle:
            # Something came since the last answer, and no request has begun with it.
            self.awaits_head, self.looks = True, 0
        return None

    def _look_at_body(self) -> Slow | None:
        cycle = self.cycle
        if cycle.response_complete:
            if not self.lingers:
                self.lingers, self.looks = True, 0
            return self._overdue(Slow.BODY)
        if self.flow.read_paused or cycle.waiting_for_100_continue:
            self.came = self.looks = 0  # It is we who do not read, or have not asked for it.
            return None
        self.looks += 1
        if self.looks <= _BODY_LOOKS:
            return None
        if self.came < self._door.least_body:
            return Slow.BODY
        self.came = self.looks = 0
        return None

    def _overdue(self, what: Slow) -> Slow | None:
        self.looks += 1
        return what if self.looks > LOOKS else None

    # -- how it ends ------------------------------------------------------------------------

    def end(self, slow: Slow) -> None:
        """It was too slow: it is told so, or left to say goodbye, until it is found to be again."""
        if self.too_slow:
            self.cut()
            return
        self.too_slow = True
        self._door.cut[slow.value] += 1
        if slow is Slow.HEAD and not self.transport.is_closing():
            self.transport.close()
        elif slow is Slow.BODY and not self.cycle.response_complete:
            self._give_body_up()
        else:
            self.cut()

    def cut(self) -> None:
        """End it now: closing would wait for the caller to take what is left, and by TLS for
        a goodbye."""
        if self.transport is not None:
            self.transport.abort()
            return
        if self.drop is not None:
            self.drop()
            return
        with contextlib.suppress(OSError):
            self._accepted.shutdown(socket.SHUT_RDWR)

    def last_answer(self) -> None:
        """The answer that has not begun yet, if there is one, says that it is the last."""
        if not self.idle:
            self.cycle.keep_alive = False

    @property
    def may_part(self) -> bool:
        """Whether nothing is under way, nor on its way as far as can be seen. A caller that has
        not asked anything yet is about to."""
        answered = self.cycle is not None and self.idle and not self.awaits_head
        return answered and not _has_come(self._accepted)

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
        self._refuse(status, code, text)

    def _give_body_up(self) -> None:
        cycle = self.cycle
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            self.cut()
        else:
            text = "The request's body came too slowly."
            self._refuse(408, "RequestTimeout", text)

    def _refuse(self, status: int, code: str, text: str) -> None:
        body = json.dumps({"error": {"code": code, "message": text}}).encode()
        head = (
            b"content-type: application/json\r\nx-content-type-options: nosniff\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n"
        ) % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self.head_size += size
        if self.head_size > HEAD_LIMIT or len(self.headers) > HEADERS_LIMIT:
            raise _HeadTooLarge  # The parser turns it into its own error, and that into a 431.


def _has_come(accepted: socket.socket) -> bool:
    """Whether the system has bytes that this process has not read."""
    if accepted.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(accepted.fileno(), select.POLLIN)
    return bool(poll.poll(0))
