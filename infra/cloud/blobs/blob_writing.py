"""Writing blobs: at once, or as blocks that a commit joins.

A write with `if_absent` whose answer never came may have been applied. It leaves a token in
the blob's metadata, by which the repeated write knows itself."""

import io
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, ContentSettings

from domain import errors
from domain.ports import BlobProperties
from infra.cloud.blobs.blob_calls import TOKEN, BlobCalls
from infra.rules import blob_names
from infra.rules.blob_record import Record

PIECE = 4 * 1024 * 1024
MOST_BLOCKS = 50_000
_GROWS_EVERY = 5_000


class BlobWriting:
    def __init__(self, calls: BlobCalls) -> None:
        self._calls = calls

    async def write(
        self,
        container: str,
        name: str,
        content: AsyncIterator[bytes] | bytes,
        record: Record,
        if_absent: bool,
    ) -> BlobProperties:
        """What is small is put at once, else staged piece by piece: one is held at a time."""
        pieces = _sliced(content) if isinstance(content, bytes) else _gathered(content)
        async with aclosing(pieces):
            return await self._write(container, name, pieces, record, if_absent)

    async def _write(
        self,
        container: str,
        name: str,
        pieces: AsyncIterator[bytes],
        record: Record,
        if_absent: bool,
    ) -> BlobProperties:
        piece = await anext(pieces, b"")
        if len(piece) < PIECE:
            return await self._put(container, name, piece, record, if_absent)
        if if_absent:
            await self._refuse_if_there(container, name)
        prefix = secrets.token_hex(8)
        ids: list[str] = []
        size = 0
        while piece:
            if len(ids) == MOST_BLOCKS:
                raise errors.TooLarge(f"The blob {name!r} is larger than a blob can be.")
            ids.append(f"{prefix}-{len(ids):06}")
            await self.stage(container, name, ids[-1], piece)
            size += len(piece)
            piece = await anext(pieces, b"")
        try:
            return await self.commit(container, name, ids, record, if_absent, size=size)
        except errors.Invalid as error:
            # Another writer's commit has dropped the blocks of this one.
            if if_absent:
                await self._refuse_if_there(container, name)
            raise errors.Unavailable(f"Others write the blob {name!r} as well.") from error

    async def stage(self, container: str, name: str, id: str, content: bytes) -> None:
        blob = self._calls.blob(container, name)
        blob_names.check_block_id(id)
        if not content:
            raise errors.Invalid("A block has at least one byte.", target="content")
        await self._calls.call_in_container(
            container,
            name,
            lambda: blob.stage_block(id, io.BytesIO(content), length=len(content)),
        )

    async def commit(
        self,
        container: str,
        name: str,
        ids: Sequence[str],
        record: Record,
        if_absent: bool,
        *,
        size: int | None = None,
    ) -> BlobProperties:
        """`size` of the blocks together, where it is known."""
        if len(ids) > MOST_BLOCKS:
            raise errors.Invalid(
                f"A blob has at most {MOST_BLOCKS} blocks, not {len(ids)}.",
                code="BlockCountExceedsLimit",
                target="blockIds",
            )
        blob = self._calls.blob(container, name)
        blocks = [BlobBlock(block_id=id) for id in ids]

        async def commit(options: dict[str, Any]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = await blob.commit_block_list(blocks, **options)
            return answer

        done = await self._change(container, name, commit, record, if_absent)
        if isinstance(done, BlobProperties):
            return done
        if size is None:
            # Only the service knows how long the blocks are.
            found, _ = await self._calls.look(container, name, done["etag"])
            return found
        return _made(name, size, done, record)

    async def _put(
        self, container: str, name: str, content: bytes, record: Record, if_absent: bool
    ) -> BlobProperties:
        blob = self._calls.blob(container, name)

        async def put(options: dict[str, Any]) -> Mapping[str, Any]:
            # With a condition of its own, `overwrite` only keeps the SDK from adding one.
            return await blob.upload_blob(content, length=len(content), overwrite=True, **options)

        done = await self._change(container, name, put, record, if_absent)
        if isinstance(done, BlobProperties):
            return done
        return _made(name, len(content), done, record)

    async def _change(
        self,
        container: str,
        name: str,
        change: Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]],
        record: Record,
        if_absent: bool,
    ) -> Mapping[str, Any] | BlobProperties:
        """The service's answer; the blob's properties if an earlier try had made it."""
        token = secrets.token_hex(8)
        options: dict[str, Any] = {
            "content_settings": ContentSettings(content_type=record.content_type),
            "metadata": dict(record.metadata),
        }
        if if_absent:
            options["metadata"][TOKEN] = token
            options["match_condition"] = MatchConditions.IfMissing
        try:
            return await self._calls.call_in_container(container, name, lambda: change(options))
        except (errors.BlobExists, errors.StaleETag) as refused:
            if not if_absent:
                raise
            # Always looked at: aiohttp itself sends a PUT again when a kept connection breaks.
            found, made_by = await self._calls.look(container, name)
            if made_by == token:
                return found
            raise _exists(container, name) from refused

    async def _refuse_if_there(self, container: str, name: str) -> None:
        try:
            await self._calls.look(container, name)
        except errors.BlobNotFound:
            return
        raise _exists(container, name)


def _made(name: str, size: int, answer: Mapping[str, Any], record: Record) -> BlobProperties:
    return BlobProperties(
        name,
        size,
        answer["etag"],
        answer["last_modified"],
        record.content_type,
        record.metadata,
    )


def _exists(container: str, name: str) -> errors.BlobExists:
    return errors.BlobExists(f"There is a blob {name!r} in {container!r} already.", target=name)


async def _sliced(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


async def _gathered(content: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same bytes in pieces of PIECE; every 5,000 they grow by as much, so that a blob of
    a tebibyte still has fewer than MOST_BLOCKS."""
    count = 0
    gathered = bytearray()
    async for part in content:
        gathered += part
        while len(gathered) >= (size := PIECE * (1 + count // _GROWS_EVERY)):
            yield bytes(gathered[:size])
            del gathered[:size]
            count += 1
    if gathered:
        yield bytes(gathered)
