"""Accepts connections, counts each from its first moment, and has it shake hands."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from infra.embedded.http.caller_connection import CallerConnection
from infra.embedded.http.connection_rooms import ConnectionRooms

_log = logging.getLogger(__name__)

_AT_ONCE = 32
"""Accepted in a row, before those that are connected have their turn again."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH = 0.1
"""Seconds until the next try when the system has nothing left to accept with."""


class Acceptor:
    """Listens on a bound socket until closed. `make` gives the protocol of a
    connection, `tls` the context that is shown at that moment."""

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
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
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
        """Returns once nobody shakes hands; who still does is cut off."""
        for task in self._opening:
            task.cancel()
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                return
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
            self._rooms.enter(connection)
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
