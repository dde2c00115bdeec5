"""Where an address leads: a path to a Unix socket of this machine, `host:port` elsewhere, or
`name@host:port`, an ingress that speaks TLS and knows by `name` who is meant."""

import asyncio
import os
import ssl
from collections.abc import Callable
from functools import cache
from typing import TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)


def name_of(address: str) -> str | None:
    """What an ingress is told by TLS and by `Host`; None where there is none in between."""
    name, at, _ = address.rpartition("@")
    return name if at and not address.startswith("/") else None


async def dial(
    loop: asyncio.AbstractEventLoop, protocol: Callable[[], P], address: str
) -> tuple[asyncio.BaseTransport, P]:
    """Raises OSError, which TimeoutError is one of."""
    if address.startswith("/"):
        return await loop.create_unix_connection(protocol, address)
    name, (host, port) = name_of(address), _place(address)
    if name is None:
        return await loop.create_connection(protocol, host, port)
    return await loop.create_connection(protocol, host, port, ssl=_trusting(), server_hostname=name)


async def open_streams(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError."""
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    name, (host, port) = name_of(address), _place(address)
    if name is None:
        return await asyncio.open_connection(host, port)
    return await asyncio.open_connection(host, port, ssl=_trusting(), server_hostname=name)


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition("@")[2].rpartition(":")
    return host, int(port)


def _trusting() -> ssl.SSLContext:
    """The machine's authorities, or those of SSL_CERT_FILE."""
    return _read(os.environ.get("SSL_CERT_FILE"))


@cache
def _read(authorities: str | None) -> ssl.SSLContext:
    """Of that file, or what is the usual one where none is named."""
    return ssl.create_default_context()
