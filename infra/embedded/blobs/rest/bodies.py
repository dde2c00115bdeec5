"""A request's content as it comes: not too much, not too slowly, and what its MD5 says."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from domain import errors
from infra.embedded.blobs.rest.properties import check_md5
from infra.embedded.blobs.rest.refusals import Refusal, bad_header
from infra.embedded.blobs.rest.requests import BlobRequest

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Caps:
    """Azure's, in bytes; and the seconds for which nothing of a body may come."""

    blob: int = 5000 * _MIB
    block: int = 4000 * _MIB
    block_list: int = 8 * _MIB
    silence: float = 60.0


CAPS = Caps()


def content(
    request: BlobRequest, most: int, silence: float, *, is_blob: bool = False
) -> AsyncIterator[bytes]:
    """The body's pieces; `is_blob`: they are all of a blob. Raises TooLarge at once if the
    request says so, and while it comes; Refusal at the end if it is not what its sender says
    it sent."""
    declared = request.headers.get("content-length")
    if declared is not None and int(declared) > most:
        raise _too_large(most)
    sums = set()
    for name in ("content-md5", "x-ms-blob-content-md5") if is_blob else ("content-md5",):
        value = request.headers.get(name)
        if value:
            check_md5(value)
            sums.add(value)
    return _content(request, most, silence, sums)


async def _content(
    request: BlobRequest, most: int, silence: float, sums: set[str]
) -> AsyncIterator[bytes]:
    digest: Any = hashlib.md5(usedforsecurity=False) if sums else None
    size = 0
    stream = request.http.stream()
    while True:
        try:
            async with asyncio.timeout(silence):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Refusal(
                408,
                "OperationTimedOut",
                f"Nothing of the body came for {silence:g} seconds.",
                {"connection": "close"},
            ) from None
        if piece is None:
            break
        if not piece:
            continue
        size += len(piece)
        if size > most:
            raise _too_large(most)
        if digest is not None:
            digest.update(piece)
        yield piece
    if digest is not None and sums != {base64.b64encode(digest.digest()).decode()}:
        raise bad_header("The content does not have its Content-MD5.", "Md5Mismatch")


def _too_large(most: int) -> errors.TooLarge:
    return errors.TooLarge(f"The body may have {most} bytes.")
