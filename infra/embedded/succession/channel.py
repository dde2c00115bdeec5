"""What two hosts on one data folder say to each other, as lines of JSON over a Unix socket.

The host that runs says first where it is reached, and passes its listener and the folder's
lock. Then the successor says `take`, the host `given`, with what it serves, and the successor
`ready`; from `given` on the successor tells which instances it has, as often as that changes.
Whoever goes closes.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domain.ports import Instance
from infra.compute.succession import Instances

LONGEST = 16 * 2**20
"""Bytes of one line."""
_LONGEST_NAME = 100

Said = Mapping[str, Any]


class Channel:
    """One event loop owns it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connected: socket.socket) -> "Channel":
        connected.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=connected, limit=LONGEST))

    async def say(self, **said: object) -> None:
        """Lost when the other one is gone; hearing tells that."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(encoded(said))
            await self._writer.drain()

    async def hear(self) -> Said | None:
        """None: the other one is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return decoded(line) if line.endswith(b"\n") else None

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


def encoded(said: Said) -> bytes:
    return json.dumps(said).encode() + b"\n"


def decoded(line: bytes) -> Said:
    said: Said = json.loads(line)
    return said


def written(instances: Instances) -> dict[str, list[tuple[str, str]]]:
    return {key: [(each.id, each.address) for each in some] for key, some in instances.items()}


def read(table: Mapping[str, list[tuple[str, str]]]) -> Instances:
    return {key: tuple(Instance(id, at) for id, at in some) for key, some in table.items()}


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of `path` for bind and connect, which take some hundred characters."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        is_long = len(os.fsencode(path)) > _LONGEST_NAME
        yield f"/proc/self/fd/{folder}/{path.name}" if is_long else str(path)
    finally:
        os.close(folder)
