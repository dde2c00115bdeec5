"""Whether a server is still there, asked over a connection of its own."""

import asyncio
from typing import Final

from infra.compute.http.dialing import name_of, open_streams

_PATIENCE: Final = 2.0
_ASKED: Final = "GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
_NOBODY: Final = (b"404", b"502", b"503")
"""What an ingress answers where nobody is behind it; a node says 401."""


async def lives(address: str) -> bool:
    """Whether it answers anything, or is so busy that it does not within two seconds. A process
    that dies takes connections until the very end, and closes them without a word."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await open_streams(address)
            try:
                name = name_of(address)
                writer.write(_ASKED.format(name=name or "localhost").encode())
                if name is None:
                    return bool(await reader.read(1))
                return (await reader.readline())[9:12] not in (b"", *_NOBODY)
            finally:
                writer.close()
    except TimeoutError:
        return True
    except OSError:
        return False
