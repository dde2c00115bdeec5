"""Rows that a node tells with a unit's outcome, where the store is the host's own: a worker that
wrote so few bytes would take longer to knock at the host's door than to tell them."""

import base64
import hashlib
from typing import Final
from urllib.parse import unquote

from domain.errors import DomainError
from domain.ports import BlobStore, UnitOutcome
from infra.rules import blob_urls

WITHIN: Final = 64 * 1024
"""Bytes: more are written by the worker itself."""
_BLOCK: Final = "blockid="


class ToldRows:
    """A block written twice is one block: another host may be told of the same unit."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def keep(self, block_url: str | None, told: str, outcome: UnitOutcome) -> UnitOutcome:
        """The outcome, once the rows that were told are staged where that URL writes."""
        place = _place(block_url or "")
        content = _decoded(told)
        digest = hashlib.sha256(content).hexdigest()
        is_so = (len(content), digest) == (outcome.length, outcome.digest)
        if place is None or not is_so or len(content) > WITHIN:
            return UnitOutcome((), lost="What the node tells of its rows is not what it says.")
        try:
            await self._blobs.stage_block(*place, content)
        except DomainError as error:
            return UnitOutcome((), lost=f"The block could not be written: {error}")
        return outcome


def _place(url: str) -> tuple[str, str, str] | None:
    """Container, name and block of a URL that was lent."""
    address, _, query = url.partition("?")
    origin = "/".join(address.split("/", 3)[:3])
    located = blob_urls.located(f"{origin}/blobs", url)
    ids = [each[len(_BLOCK) :] for each in query.split("&") if each.startswith(_BLOCK)]
    block = _decoded(unquote(ids[0])).decode("utf-8", "replace") if ids else ""
    return None if located is None or not block else (*located, block)


def _decoded(text: str) -> bytes:
    """Nothing, for what cannot be read."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
