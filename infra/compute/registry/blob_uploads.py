"""Layers on their way to a registry."""

import asyncio
import logging
from pathlib import Path
from typing import Final

import yarl

from domain.errors import Unavailable
from infra.compute.registry.image_manifest import Descriptor
from infra.compute.registry.registry_calls import (
    SLOW,
    TRIES,
    RegistryCalls,
    RegistryRefusal,
    check,
    scope_of,
)

_log = logging.getLogger("ml_endpoints.registry")

_PIECE: Final = 8 * 2**20
"""Bytes of a layer that are sent at once."""
_FINAL: Final = frozenset({401, 403, 405, 413})


class BlobUploads:
    """Sends content in pieces. What breaks off goes on where it was, or begins again; what ends
    leaves nothing that has a name."""

    def __init__(self, calls: RegistryCalls) -> None:
        self._calls = calls

    async def send(self, repository: str, blob: Descriptor, content: bytes | Path) -> None:
        scope = scope_of(repository, "pull,push")
        for left in reversed(range(TRIES)):
            try:
                await self._send(repository, blob, content, scope)
                return
            except (Unavailable, RegistryRefusal) as error:
                is_final = isinstance(error, RegistryRefusal) and error.status in _FINAL
                if is_final or not left:
                    raise
                _log.info("A layer is sent to %s again: %s", self._calls.host, error)

    async def _send(
        self, repository: str, blob: Descriptor, content: bytes | Path, scope: str
    ) -> None:
        begin = self._calls.at(repository, "blobs/uploads", "")
        async with self._calls.asked("POST", begin, scope) as answer:
            await check(answer, 202)
            place = self._calls.place(answer)
            size = max(_PIECE, int(answer.headers.get("OCI-Chunk-Min-Length", 0)))
        start = 0
        try:
            while start < blob.size:
                piece = await asyncio.to_thread(_piece_of, content, start, size)
                if not piece:
                    raise RegistryRefusal(0, f"{blob.digest} is shorter than it was.")
                place, start = await self._send_piece(place, scope, piece, start)
            end = place.update_query(digest=blob.digest)
            async with self._calls.asked("PUT", end, scope, limit=SLOW) as answer:
                await check(answer, 201)
        except BaseException:  # cancelled too: what has come stays with the registry otherwise
            await asyncio.shield(self._abandon(place, scope))
            raise

    async def _send_piece(
        self, place: yarl.URL, scope: str, piece: bytes, start: int
    ) -> tuple[yarl.URL, int]:
        """Where to go on, and from which byte. A try whose answer was lost may have been taken, so
        that the registry is asked before there is another."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{start}-{start + len(piece) - 1}",
        }
        try:
            async with self._calls.asked(
                "PATCH", place, scope, body=piece, headers=headers, limit=SLOW, tries=1
            ) as answer:
                if answer.status != 416:
                    await check(answer, 202, 204)
                    return self._calls.place(answer), start + len(piece)
        except Unavailable as error:
            _log.info("A piece of a layer for %s was lost: %s", self._calls.host, error)
        async with self._calls.asked("GET", place, scope) as answer:
            await check(answer, 204)
            there = answer.headers.get("Range", "0-0").removeprefix("bytes=")
            reached = int(there.partition("-")[2]) + 1
            if not start < reached <= start + len(piece):
                raise RegistryRefusal(416, f"{self._calls.host} does not go on with an upload.")
            return self._calls.place(answer), reached

    async def _abandon(self, place: yarl.URL, scope: str) -> None:
        try:
            async with self._calls.asked("DELETE", place, scope, tries=1):
                return
        except (Unavailable, RegistryRefusal) as error:
            _log.info("An upload at %s was left to the registry: %s", self._calls.host, error)


def _piece_of(content: bytes | Path, start: int, size: int) -> bytes:
    if isinstance(content, bytes):
        return content[start : start + size]
    with content.open("rb") as file:
        file.seek(start)
        return file.read(size)
