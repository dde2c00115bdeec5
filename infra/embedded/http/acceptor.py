"""Accepts connections, counts each from its first moment, and has it shake hands.

A connection that says nothing costs a descriptor: TLS begins with its first byte. However many
begin at once, a few do in a row, and those that have begun go on between: one that is shaking
hands is done soon, even where more come than can ever be served.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial

from infra.embedded.http.caller_connection import CallerConnection
from infra.embedded.http.connection_rooms import ConnectionRooms
from infra.embedded.http.handshake_turns import HandshakeTurns

_log = logging.getLogger(__name__)

_AT_ONCE = 32
"""Accepted in a row, before those that are connected have their turn again."""
_HANDSHAKES = 8
"""The same of handshakes, which cost a millisecond each."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH = 0.1
"""Seconds until the next try when the system has nothing left to accept with, or callers wait
before the door."""


class Acceptor:
    """Listens on a bound socket until closed. `make` gives the protocol of a connection, `tls`
    the context that is shown at that moment."""

    def __init__(
        self,
        bound: socket.socket,
        rooms: ConnectionRooms,
        make: Callable[[socket.socket, str], CallerConnection],
        tls: ssl.SSLContext | None,
    ) -> None:
        bound.setblocking(False)
        self._bound = bound
        self._rooms = rooms
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._turns = HandshakeTurns()
        self._turning: asyncio.Handle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._closed = False
        self._exhausted = False
        """And has been, since a connection was last accepted."""
        self._loop.add_reader(bound.fileno(), self._accept)

    def close(self) -> None:
        """Accept nothing more. Who is shaking hands may go on."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._bound.fileno())
        if self._retry is not None:
            self._retry.cancel()
        self._bound.close()

    async def wait_closed(self) -> None:
        """Returns once nobody shakes hands; who still does, or is yet to begin, is cut off."""
        if self._settling is not None:
            self._settling.cancel()
        while self._rooms.waiting:
            self._rooms.make_room()
        for connection in list(self._rooms):
            if isinstance(connection, CallerConnection) and connection.transport is None:
                connection.cut()
        for task in self._opening:
            task.cancel()
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionError:  # it left before its turn
                continue
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._wait(error)
                return
            self._exhausted = False
            accepted.setblocking(False)
            connection = self._make(accepted, str(address[0]))
            connection.start = partial(self._start, connection, accepted)
            connection.drop = partial(self._drop, connection, accepted)
            self._rooms.enter(connection)
        if self._rooms.waiting and self._settling is None:
            self._settling = self._loop.call_later(_BREATH, self._settle)

    def _settle(self) -> None:
        """Time alone makes room, too."""
        self._settling = None
        self._rooms.settle()
        if self._rooms.waiting:
            self._settling = self._loop.call_later(_BREATH, self._settle)

    def _start(self, connection: CallerConnection, accepted: socket.socket) -> None:
        connection.start = None
        if self._tls is None:
            self._open_soon(connection, accepted)
        else:
            self._loop.add_reader(accepted, self._speaks, connection, accepted)

    def _speaks(self, connection: CallerConnection, accepted: socket.socket) -> None:
        self._loop.remove_reader(accepted)
        try:
            has_left = not accepted.recv(1, socket.MSG_PEEK)
        except OSError:
            has_left = True
        if has_left:
            self._drop(connection, accepted)
            return
        self._turns.add(connection, accepted)
        connection.queued = True
        if self._turning is None:
            self._turning = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        for _ in range(_HANDSHAKES):
            if not self._turns:
                self._turning = None
                return
            connection, accepted = self._turns.next()
            connection.queued = False
            self._open_soon(connection, accepted)
        self._turning = self._loop.call_soon(self._turn)

    def _drop(self, connection: CallerConnection, accepted: socket.socket) -> None:
        """It ends before anything has begun."""
        self._loop.remove_reader(accepted)
        self._turns.remove(connection)
        self._rooms.gone(connection)
        connection.drop = None
        accepted.close()

    def _open_soon(self, connection: CallerConnection, accepted: socket.socket) -> None:
        connection.drop = None
        task = self._loop.create_task(self._open(connection, accepted))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: CallerConnection, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a handshake that fails is the stranger's affair
            await self._loop.connect_accepted_socket(lambda: connection, accepted, ssl=self._tls)
        if connection.transport is None:
            self._rooms.gone(connection)

    def _wait(self, error: OSError) -> None:
        """What others hold can't be had here; what strangers hold can."""
        if not self._exhausted:
            self._exhausted = True
            _log.error("no connection can be accepted: %s", error.strerror)
        self._rooms.make_room()
        self._loop.remove_reader(self._bound.fileno())
        self._retry = self._loop.call_later(_BREATH, self._resume)

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self._bound.fileno(), self._accept)
