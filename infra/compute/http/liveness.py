"""Whether a server is still there, asked over a connection of its own."""

import asyncio
from typing import Final

from infra.compute.http.dialing import open_streams

_PATIENCE: Final = 2.0
_ASKED: Final = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


async def lives(address: str) -> bool:
    """Whether it answers anything, or is so busy that it does not within two seconds. A process
    that dies takes connections until the very end, and closes them without a word."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await open_streams(address)
            try:
                writer.write(_ASKED)
                return bool(await reader.read(1))
            finally:
                writer.close()
    except TimeoutError:
        return True
    except OSError:
        return False
