"""Where callers come in: sockets that may be left to another process for a while."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

from .caller import Caller, Hall

_BACKLOG = 1024
_AT_ONCE = 64
_HANDSHAKE = 10.0


class Listening:
    """Takes callers from `listener` while `open`."""

    def __init__(self, hall: Hall, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._hall = hall
        self._listener = listener
        self._tls = tls
        self._open = False
        self._coming: set[asyncio.Task[None]] = set()

    def open(self, yes: bool) -> None:
        """Take callers, or leave them to whoever else has the socket. (Whoever takes one that
        both are told of, has it.)"""
        if yes is self._open:
            return
        self._open = yes
        loop = self._hall.loop
        if yes:
            loop.add_reader(self._listener.fileno(), self._accept)
        else:
            loop.remove_reader(self._listener.fileno())

    def close(self) -> None:
        self.open(False)
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            task = self._hall.loop.create_task(self._receive(connection))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _receive(self, connection: socket.socket) -> None:
        timeout = _HANDSHAKE if self._tls is not None else None
        try:
            await self._hall.loop.connect_accepted_socket(
                lambda: Caller(self._hall),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=timeout,
            )
        except (OSError, EOFError):  # no TLS, or gone by now
            connection.close()


def on_tcp(host: str, port: int) -> socket.socket:
    """Every address for no host. Raises OSError."""
    if host:
        [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, address = found[0], found[4]
    elif socket.has_dualstack_ipv6() and _has_ipv6():
        family, address = socket.AF_INET6, ("::", port)
    else:
        family, address = socket.AF_INET, ("0.0.0.0", port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Its connections have it too: an answer of several pieces waits for nobody's say-so.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(host)))
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return os.path.exists("/proc/net/if_inet6")


def on_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def tls_context(certificate: str, key: str, folder: str) -> ssl.SSLContext:
    """TLS 1.2 or later. The key is in a file of ours for a moment: there is no other way to
    load it. Raises OSError and ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    path = os.path.join(folder, "door.pem")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key}\n{certificate}\n")
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
