"""The BlobStore port on dictionaries, for simulation."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit

from domain import errors
from domain.ports import BlobProperties, BlobStore, Permission
from infra.rules import blob_names, blob_record, blob_urls

BASE = "https://memory.test/blobs"
_PIECE = 4 * 1024 * 1024
_MOST_BLOCKS = 50_000


@dataclass(frozen=True)
class Blob:
    """A blob as it is kept; `blocks` are those it was committed from."""

    properties: BlobProperties
    content: bytes
    blocks: Mapping[str, bytes] = field(default_factory=dict)


class MemoryBlobStore(BlobStore):
    """What it lends is read by `lent`, and what it lends to be written to is by `staged`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._containers: dict[str, dict[str, Blob]] = {}
        self._staged: dict[tuple[str, str], dict[str, bytes]] = {}
        self._numbers = itertools.count(1)

    def copy(self, now: Callable[[], datetime]) -> Self:
        """A store of its own with the same blobs."""
        other = type(self)(now)
        other._containers = {name: dict(blobs) for name, blobs in self._containers.items()}
        other._staged = {place: dict(blocks) for place, blocks in self._staged.items()}
        other._numbers = itertools.count(next(self._numbers))
        return other

    # -- blobs --------------------------------------------------------------------------

    async def properties(self, container: str, name: str) -> BlobProperties:
        return self._found(container, name).properties

    async def read(
        self,
        container: str,
        name: str,
        *,
        etag: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> AsyncIterator[bytes]:
        blob = self._found(container, name)
        if etag is not None and etag != blob.properties.etag:
            raise errors.StaleETag(f"The blob {name!r} has changed.", target=name)
        content = blob.content[offset : None if length is None else offset + length]
        for start in range(0, len(content), _PIECE):
            yield content[start : start + _PIECE]

    async def write(
        self,
        container: str,
        name: str,
        content: AsyncIterator[bytes] | bytes,
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        self._check(container, name)
        if not isinstance(content, bytes):
            content = b"".join([piece async for piece in content])
        return self._put(container, name, content, {}, if_absent, content_type, metadata)

    async def delete(self, container: str, name: str) -> None:
        self._check(container, name)
        self._containers.get(container, {}).pop(name, None)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        blob_names.check_container(container)
        blobs = self._containers.get(container, {})
        for name in sorted(name for name in blobs if name.startswith(prefix)):
            if name in blobs:
                yield blobs[name].properties

    # -- blocks -------------------------------------------------------------------------

    async def stage_block(self, container: str, name: str, block_id: str, content: bytes) -> None:
        self._stage(container, name, block_id, content)

    def _stage(self, container: str, name: str, block_id: str, content: bytes) -> None:
        self._check(container, name)
        blob_names.check_block_id(block_id)
        if not content:
            raise errors.Invalid("A block has one byte or more.", target="block")
        staged = self._staged.setdefault((container, name), {})
        if any(len(other) != len(block_id) for other in staged):
            raise errors.Invalid("All ids of a blob's blocks have one length.", target="blockId")
        staged[block_id] = content

    async def commit_blocks(
        self,
        container: str,
        name: str,
        block_ids: Sequence[str],
        *,
        if_absent: bool = False,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        self._check(container, name)
        if len(block_ids) > _MOST_BLOCKS:
            raise errors.Invalid(f"A blob has at most {_MOST_BLOCKS} blocks.")
        there = self._containers.get(container, {}).get(name)
        if there is not None and if_absent:
            raise _exists(name)
        staged = self._staged.get((container, name), {})
        known = {**(there.blocks if there else {}), **staged}
        missing = [block_id for block_id in block_ids if block_id not in known]
        if missing:
            raise errors.Invalid(f"There is no block {missing[0]!r} of {name!r}.", target="blockId")
        blocks = {block_id: known[block_id] for block_id in block_ids}
        content = b"".join(known[block_id] for block_id in block_ids)
        done = self._put(container, name, content, blocks, if_absent, content_type, metadata)
        self._staged.pop((container, name), None)
        return done

    # -- URLs ---------------------------------------------------------------------------

    async def lend(self, blobs: Sequence[tuple[str, str]]) -> Sequence[str]:
        for container, name in blobs:
            self._check(container, name)
        return [f"{self.url(container, name)}?lent" for container, name in blobs]

    async def lend_block(self, container: str, name: str, block_id: str) -> str:
        self._check(container, name)
        return f"{self.url(container, name)}?block={quote(block_id)}"

    async def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        if name is None:
            blob_names.check_container(container)
        else:
            self._check(container, name)
        return f"{self.url(container, name)}?signed"

    async def close_to_writers(self, container: str) -> None:
        """Nobody writes by URL here."""

    def url(self, container: str, name: str | None = None) -> str:
        return blob_urls.plain(BASE, container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        return blob_urls.located(BASE, url)

    # -- for whoever simulates ----------------------------------------------------------

    def lent(self, url: str) -> Blob | None:
        """What a worker finds where `lend` sends it."""
        container, name = self.locate(url) or ("", "")
        return self._containers.get(container, {}).get(name)

    def staged(self, url: str, content: bytes) -> None:
        """What a worker does where `lend_block` sends it."""
        container, name = self.locate(url) or ("", "")
        [block_id] = parse_qs(urlsplit(url).query)["block"]
        self._stage(container, name, block_id, content)

    def content(self, container: str, name: str) -> bytes | None:
        """None when there is no such blob."""
        blob = self._containers.get(container, {}).get(name)
        return blob.content if blob else None

    def block(self, container: str, name: str, block_id: str) -> bytes | None:
        """Staged or committed; None when there is none of this id."""
        blob = self._containers.get(container, {}).get(name)
        staged = self._staged.get((container, name), {})
        return staged.get(block_id, blob.blocks.get(block_id) if blob else None)

    def names(self, container: str, prefix: str = "") -> Sequence[str]:
        return sorted(n for n in self._containers.get(container, {}) if n.startswith(prefix))

    # -- within -------------------------------------------------------------------------

    def _check(self, container: str, name: str) -> None:
        blob_names.check_container(container)
        blob_names.segments(name)

    def _found(self, container: str, name: str) -> Blob:
        self._check(container, name)
        blob = self._containers.get(container, {}).get(name)
        if blob is None:
            raise errors.BlobNotFound(f"There is no blob {name!r} in {container!r}.", target=name)
        return blob

    def _put(
        self,
        container: str,
        name: str,
        content: bytes,
        blocks: Mapping[str, bytes],
        if_absent: bool,
        content_type: str,
        metadata: Mapping[str, str] | None,
    ) -> BlobProperties:
        record = blob_record.checked(content_type, metadata)
        blobs = self._containers.setdefault(container, {})
        if if_absent and name in blobs:
            raise _exists(name)
        properties = BlobProperties(
            name=name,
            size=len(content),
            etag=f'"{next(self._numbers):x}"',
            last_modified=self._now(),
            content_type=record.content_type,
            metadata=record.metadata,
        )
        blobs[name] = Blob(properties, content, blocks)
        return properties


def _exists(name: str) -> errors.BlobExists:
    return errors.BlobExists(f"There is a blob {name!r} already.", target=name)
