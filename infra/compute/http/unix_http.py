"""A thin HTTP/1.1 client over Unix sockets or TCP: the gateway's way to its instances.

Connections are kept and reused per address. A request is repeated only where it is sure that
the instance saw none of it. Nothing is started per request but a timer.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import quote

from domain.ports import InstanceLost
from infra.compute.http.dialing import dial, name_of
from infra.compute.http.unix_connection import Connection, UnixResponse

_CONNECT_TIMEOUT: Final = 5.0
_UPLOAD_STALL: Final = 120.0
_TARGET: Final = re.compile(r"/[!-~]*")
_OURS: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "expect"}
)


class _Pool:
    """The connections to one address, idle ones latest last."""

    __slots__ = ("idle", "look", "open", "spare")

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.open = 0
        self.spare = 0
        """The fewest that have been idle since `look` was set, if it is."""
        self.look: asyncio.TimerHandle | None = None

    def taken(self) -> Connection:
        connection = self.idle.pop()
        self.spare = min(self.spare, len(self.idle))
        return connection


class UnixHttp:
    """`max_open` bounds the connections to one address. All are kept for reuse while they are in
    use now and then; of those that none of the last `spare_for` seconds needed, `max_idle`."""

    def __init__(
        self, *, max_open: int = 1024, max_idle: int = 128, spare_for: float = 10.0
    ) -> None:
        self._max_open = max_open
        self._max_idle = max_idle
        self._spare_for = spare_for
        self._pools: dict[str, _Pool] = {}

    def in_flight(self, address: str) -> int:
        """Requests under way to an address, answers still streaming included."""
        pool = self._pools.get(address)
        return pool.open - len(pool.idle) if pool else 0

    def forget(self, address: str) -> None:
        """Close every idle connection to an address that is not coming back."""
        pool = self._pools.get(address)
        for connection in list(pool.idle) if pool else ():
            connection.abort()

    def close(self) -> None:
        for address in list(self._pools):
            self.forget(address)

    async def request(
        self,
        address: str,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: AsyncIterator[bytes] | bytes = b"",
        *,
        timeout: float,
    ) -> UnixResponse:
        """One request. `timeout` (seconds) bounds the wait for the answer's head, from when
        the request is written. Raises TimeoutError and InstanceLost."""
        name = name_of(address)
        if name is not None:  # the ingress goes by it
            headers = [("host", name), *(each for each in headers if each[0] != "host")]
        head = _request_head(method, target, headers, body)
        while True:
            pool = self._pools.get(address)
            if pool is None:
                pool = self._pools[address] = _Pool()
            reused = bool(pool.idle)
            if reused:
                connection = pool.taken()
                if not connection.usable:
                    continue
            else:
                connection = await self._connect(address, pool)
            try:
                if isinstance(body, bytes):
                    return await self._exchange(connection, method, head, body, timeout)
                return await self._upload(connection, method, head, body, timeout)
            except InstanceLost as lost:
                # The server closed an idle connection just as it was taken again.
                if lost.sent or not reused or not isinstance(body, bytes):
                    raise

    async def _exchange(
        self, connection: Connection, method: str, head: bytes, body: bytes, timeout: float
    ) -> UnixResponse:
        answer = connection.begin(method, timeout)
        timer = asyncio.get_running_loop().call_later(timeout, connection.time_out)
        try:
            connection.write(head + body if body else head)
            connection.end_request()
            return await answer
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            timer.cancel()

    async def _upload(
        self,
        connection: Connection,
        method: str,
        head: bytes,
        body: AsyncIterator[bytes],
        timeout: float,
    ) -> UnixResponse:
        """Send a body of pieces, each when the server has room. An answer that comes before
        the body's end ends the sending."""
        answer = connection.begin(method, timeout)
        chunked = b"\r\ntransfer-encoding: chunked\r\n" in head
        timer: asyncio.TimerHandle | None = None
        try:
            connection.write(head)
            while not answer.done():
                async with asyncio.timeout(_UPLOAD_STALL):
                    piece = await anext(body, None)
                    if piece is None:
                        connection.write(b"0\r\n\r\n" if chunked else b"")
                        connection.end_request()
                        break
                    if piece:
                        connection.write(
                            b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
                        )
                    await connection.drain()
            timer = asyncio.get_running_loop().call_later(timeout, connection.time_out)
            return await answer
        except BaseException:  # half a request is on the wire: it can carry nothing else
            connection.abort()
            if not answer.cancel() and not answer.cancelled():
                answer.exception()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _connect(self, address: str, pool: _Pool) -> Connection:
        if pool.open >= self._max_open:
            raise InstanceLost(f"{self._max_open} requests are under way to it.", sent=False)
        loop = asyncio.get_running_loop()
        pool.open += 1

        def on_idle(connection: Connection) -> None:
            pool.idle.append(connection)
            if pool.look is None and len(pool.idle) > self._max_idle:
                self._look_at(pool)

        def on_lost(connection: Connection) -> None:
            if connection in pool.idle:
                pool.idle.remove(connection)
            self._leave(address, pool)
            if connection.broke_off:
                # A process that dies closes its connections one after the other: what is sent
                # on those it has not come to yet is lost, and a new one is refused.
                self.forget(address)

        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                _, connection = await dial(
                    loop, lambda: Connection(loop, address, on_idle, on_lost), address
                )
        except OSError as error:
            self._leave(address, pool)
            raise InstanceLost(f"The instance takes no connection: {error}.", sent=False) from error
        except BaseException:  # cancelled: the place is free again
            self._leave(address, pool)
            raise
        if connection.closed:
            raise InstanceLost("The instance has gone as it was reached.", sent=False)
        return connection

    def _look_at(self, pool: _Pool) -> None:
        pool.spare = len(pool.idle)
        pool.look = asyncio.get_running_loop().call_later(self._spare_for, self._thin, pool)

    def _thin(self, pool: _Pool) -> None:
        pool.look = None
        surplus = min(pool.spare, len(pool.idle) - self._max_idle)
        unused, pool.idle = pool.idle[: max(0, surplus)], pool.idle[max(0, surplus) :]
        for connection in unused:
            connection.abort()
        if len(pool.idle) > self._max_idle:
            self._look_at(pool)

    def _leave(self, address: str, pool: _Pool) -> None:
        pool.open -= 1
        if pool.open == 0 and pool.look is not None:
            pool.look.cancel()
            pool.look = None
        if pool.open == 0 and self._pools.get(address) is pool:
            del self._pools[address]


def _request_head(
    method: str, target: str, headers: Sequence[tuple[str, str]], body: AsyncIterator[bytes] | bytes
) -> bytes:
    if not _TARGET.fullmatch(target):
        target = quote(target, safe="/%:@!$&'()*+,;=~-._?[]")
    whole = isinstance(body, bytes)
    lines = [f"{method} {target} HTTP/1.1"]
    host = length = False
    for name, value in headers:
        if name in _OURS or (whole and name == "content-length"):
            continue
        host = host or name == "host"
        length = length or name == "content-length"
        lines.append(f"{name}: {value}")
    if not host:
        lines.append("host: localhost")
    if isinstance(body, bytes):
        if body or method not in {"GET", "HEAD", "OPTIONS"}:
            lines.append(f"content-length: {len(body)}")
    elif not length:
        lines.append("transfer-encoding: chunked")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise InstanceLost("A header of the request holds a line break.", sent=False)
    return (head + "\r\n\r\n").encode("latin-1", "replace")
