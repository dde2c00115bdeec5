"""Requests to the stores of lent files, over connections that are kept.

A store is believed by the authorities of this machine, and by the one that units came with.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection

_TIMEOUT = 60.0
_IDLE = 8
"""Connections kept to one store."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_ERROR = 64 << 10
_BROKEN = (ConnectionError, socket.timeout, TimeoutError)
_UNREACHED = (errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH)
_BUSY = (408, 429)
_ITS_FAULT = 500

Origin = tuple[str, str, int]

_lock = threading.Lock()
_idle: dict[Origin, list[HTTPConnection]] = {}
_proxied: dict[str, bool] = {}


class Refused(OSError):
    """The store answered with an error, whose status is `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the store answered {code} {reason}")
        self.code = code

    @property
    def may_pass(self) -> bool:
        """Whether the store may well answer to the same request a little later."""
        return self.code in _BUSY or self.code >= _ITS_FAULT


class BrokenOff(OSError):
    """A part of the answer did not come."""


class Answer:
    """To be read, and closed: what was read to its end leaves its connection to the next."""

    def __init__(
        self, reply: Any, origin: Origin | None, connection: HTTPConnection | None
    ) -> None:
        self.status: int = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self._reply = reply
        self._origin = origin
        self._connection = connection

    def read(self, count: int = -1) -> bytes:
        """Raises BrokenOff, and OSError."""
        from http.client import HTTPException

        try:
            content: bytes = self._reply.read() if count < 0 else self._reply.read(count)
        except (*_BROKEN, HTTPException) as error:
            raise BrokenOff(f"the answer broke off: {error!r}") from None
        return content

    def close(self) -> None:
        connection, self._connection = self._connection, None
        whole = self._reply.isclosed() and not self._reply.will_close
        self._reply.close()
        if connection is None or self._origin is None:
            return
        with _lock:
            kept = _idle.setdefault(self._origin, [])
            if whole and len(kept) < _IDLE:
                kept.append(connection)
                return
        connection.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Trust:
    """Who is believed to be the store that was asked for."""

    def __init__(self) -> None:
        self._authority = ""
        self._context: ssl.SSLContext | None = None

    def take(self, authority: str) -> None:
        with _lock:
            if authority != self._authority:
                self._authority, self._context = authority, None

    @property
    def authority(self) -> str:
        return self._authority

    def context(self) -> ssl.SSLContext:
        with _lock:
            if self._context is None:
                import ssl

                self._context = ssl.create_default_context()
                if self._authority:
                    self._context.load_verify_locations(cadata=self._authority)
            return self._context


_trust = _Trust()


def believe(authority: str) -> None:
    """Stores that this one, in PEM, has signed for are believed beside those that usually are."""
    _trust.take(authority)


def gathers() -> bool:
    """Whether a store may be asked for many files at once: one whose authority units come with is
    of a host, which offers it."""
    return _trust.authority != ""


def ask(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | bytearray | None = None,
    *,
    patience: float,
) -> Answer:
    """Where nobody answers it is asked again, for `patience` seconds: the store may be on its way
    back. Raises Refused, and OSError."""
    from http.client import HTTPException

    ends, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        try:
            return _ask(method, url, headers, body)
        except OSError as error:
            if not _is_absence(error) or time.monotonic() + pause > ends:
                raise
        except HTTPException as error:
            raise OSError(f"the store's answer cannot be read: {error!r}") from None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _is_absence(error: OSError) -> bool:
    """Whether nobody has answered: the network may be on its way back, too."""
    import ssl

    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return isinstance(error, (*_BROKEN, ssl.SSLEOFError)) or error.errno in _UNREACHED


def _ask(
    method: str, url: str, headers: Mapping[str, str], body: bytes | bytearray | None
) -> Answer:
    parts = urlsplit(url)
    if _goes_by_proxy(parts):
        return _by_proxy(method, url, headers, body)
    default = 443 if parts.scheme == "https" else 80
    origin = (parts.scheme, parts.hostname or "", parts.port or default)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    while True:
        connection, is_kept = _taken(origin)
        try:
            connection.request(method, target or "/", body, dict(headers))
            reply = connection.getresponse()
            break
        except ConnectionError:
            connection.close()
            if not is_kept:  # else the store had closed it meanwhile
                raise
        except BaseException:  # interrupted too: nobody else has it to close
            connection.close()
            raise
    answer = Answer(reply, origin, connection)
    if reply.status >= 400:
        with answer, contextlib.suppress(OSError):  # its status is all that is asked for
            answer.read(_ERROR)
        raise Refused(reply.status, reply.reason)
    return answer


def _taken(origin: Origin) -> tuple[HTTPConnection, bool]:
    """A connection to the store, and whether it was kept from before."""
    with _lock:
        kept = _idle.get(origin)
        if kept:
            return kept.pop(), True
    from http.client import HTTPConnection, HTTPSConnection

    scheme, host, port = origin
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=_TIMEOUT, context=_trust.context()), False
    return HTTPConnection(host, port, timeout=_TIMEOUT), False


def _goes_by_proxy(parts: SplitResult) -> bool:
    """As urllib has it, which reads the usual variables."""
    key = f"{parts.scheme}://{parts.netloc}"
    known = _proxied.get(key)
    if known is None:
        from urllib.request import getproxies, proxy_bypass

        host = parts.hostname or ""
        known = parts.scheme in getproxies() and not proxy_bypass(host)
        if len(_proxied) > 100:
            _proxied.clear()
        _proxied[key] = known
    return known


def _by_proxy(
    method: str, url: str, headers: Mapping[str, str], body: bytes | bytearray | None
) -> Answer:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers))
    try:
        reply = urllib.request.urlopen(request, timeout=_TIMEOUT, context=_trust.context())
    except urllib.error.HTTPError as error:
        error.close()
        raise Refused(error.code, str(error.reason)) from None
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from None
    return Answer(reply, None, None)
