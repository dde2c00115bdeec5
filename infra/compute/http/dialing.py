"""Where an address leads: a path to a Unix socket of this machine, `host:port` elsewhere."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def dial(
    loop: asyncio.AbstractEventLoop, protocol: Callable[[], P], address: str
) -> tuple[asyncio.BaseTransport, P]:
    """Raises OSError, which TimeoutError is one of."""
    if address.startswith("/"):
        return await loop.create_unix_connection(protocol, address)
    host, _, port = address.rpartition(":")
    return await loop.create_connection(protocol, host, int(port))


async def open_streams(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError."""
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))
