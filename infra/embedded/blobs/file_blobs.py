"""What the blob store and its door do with blobs: off the event loop, names checked first."""

import asyncio
import contextlib
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path

from domain import errors
from domain.ground.grouping import Grouped
from infra.embedded.blobs.blob_drafts import is_content_of
from infra.embedded.blobs.blob_files import BlobFiles, not_found, too_large
from infra.embedded.blobs.blob_pages import Entry
from infra.embedded.blobs.opened_blob import OpenedBlob
from infra.embedded.blobs.stored_blob import (
    BlockLists,
    Condition,
    Container,
    NamedBlock,
    StoredBlob,
)
from infra.embedded.disk import Disk, Steps, in_domain_words
from infra.rules import blob_names
from infra.rules.blob_names import block_id_size
from infra.rules.blob_record import Record

_WRITTEN_AT_ONCE = 1024 * 1024
_COMMITTED_BLOCKS = 50_000
_COMMIT_WAIT = 15 * 60.0
_LENGTHS_KEPT = 1000

_LOOKS = 100
_STAGED = 64


class Reading:
    """A blob that is open, as it was at that moment. To be closed."""

    def __init__(self, disk: Disk, opened: OpenedBlob, blob: StoredBlob) -> None:
        self.blob = blob
        self._disk = disk
        self._opened = opened

    async def pieces(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """Raises StaleETag if the content is changed meanwhile."""
        self._opened.select(offset, length)
        while self._opened.left:
            yield await self._disk.run(self._opened.read)

    def close(self) -> None:
        self._disk.later(self._opened.close)


class FileBlobs:
    """Blobs in files. A condition raises what it has against the blob that is there (None:
    no blob); between it and the change no other change of this store comes."""

    def __init__(self, data_dir: Path) -> None:
        self._disk = Disk()
        self._files = BlobFiles(data_dir.absolute())
        # A look costs less than the way to a thread and back: those that come together share it.
        self._look = Grouped(self.looks, _LOOKS)
        self._commits: weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )
        self._stage = Grouped(self._stages, _STAGED)
        self._lengths: dict[tuple[str, str], int] = {}
        """Of the ids of a blob's blocks, where its folder is known to be there."""

    async def close(self) -> None:
        """Finish the file work under way."""
        await self._disk.close()

    async def sweep(self) -> None:
        await self._disk.through(Steps(self._files.sweep()))

    async def properties(self, container: str, name: str) -> StoredBlob:
        """Raises BlobNotFound, as does what follows."""
        found = await self._look((container, name))
        if isinstance(found, errors.DomainError):
            raise found
        return found

    async def looks(
        self, blobs: Sequence[tuple[str, str]]
    ) -> Sequence[StoredBlob | errors.DomainError]:
        """What `properties` gives, or raises, for each container and name: all in one
        thread's turn."""
        return await self._disk.run(self._looks, blobs)

    def _looks(self, blobs: Sequence[tuple[str, str]]) -> Sequence[StoredBlob | errors.DomainError]:
        try:
            named = [segments_of(*blob) for blob in blobs]
            together = in_domain_words(self._files.looks, named)
        except errors.DomainError:
            # The fault of one must not be everybody's.
            return [self._look_alone(blob) for blob in blobs]
        return [
            not_found(segments) if one is None else one
            for segments, one in zip(named, together, strict=True)
        ]

    def _look_alone(self, blob: tuple[str, str]) -> StoredBlob | errors.DomainError:
        try:
            return in_domain_words(self._files.look, segments_of(*blob))
        except errors.DomainError as error:
            return error

    async def open(self, container: str, name: str) -> Reading:
        opened, blob = await self._disk.run(self._files.open, segments_of(container, name))
        return Reading(self._disk, opened, blob)

    async def wholes(
        self, blobs: Sequence[tuple[str, str, str | None]], most: int, largest: int
    ) -> Sequence[bytes | errors.DomainError]:
        """The content of each container, name and ETag, or what reading it raises; TooLarge for one
        of more than `largest` bytes. Where that is `most` bytes in all, no more: all of it in one
        thread's turn."""
        return await self._disk.run(self._wholes, blobs, most, largest)

    def _wholes(
        self, blobs: Sequence[tuple[str, str, str | None]], most: int, largest: int
    ) -> Sequence[bytes | errors.DomainError]:
        try:
            return in_domain_words(self._wholes_together, blobs, most, largest)
        except errors.DomainError:
            # The fault of one must not be everybody's.
            return list(_within(most, (self._whole(*blob, largest) for blob in blobs)))

    def _wholes_together(
        self, blobs: Sequence[tuple[str, str, str | None]], most: int, largest: int
    ) -> Sequence[bytes | errors.DomainError]:
        """Raises for one that has no name, or no ETag."""
        meant = [(segments_of(container, name), _known(etag)) for container, name, etag in blobs]
        with contextlib.closing(self._files.wholes(meant, largest)) as found:
            return list(_within(most, found))

    def _whole(
        self, container: str, name: str, etag: str | None, largest: int
    ) -> bytes | errors.DomainError:
        try:
            segments = segments_of(container, name)
            opened, piece = in_domain_words(self._files.begin, segments, etag, 0, largest + 1)
        except errors.DomainError as error:
            return error
        is_whole = not opened.left and len(piece) <= largest
        opened.close()
        return piece if is_whole else too_large(largest)

    async def links(
        self, blobs: Sequence[tuple[str, str, str]], folder: Path
    ) -> Sequence[str | None]:
        """Another name for each blob, by container, name and ETag, where others may read it: its
        path below a folder that is made for them. None for one that could not be given it."""
        return await self._disk.run(self._links, blobs, folder)

    def _links(self, blobs: Sequence[tuple[str, str, str]], folder: Path) -> Sequence[str | None]:
        names = _apart([name.rpartition("/")[2] for _, name, _ in blobs])
        for each in (folder, *(folder / number for number in {n.partition("/")[0] for n in names})):
            each.mkdir(exist_ok=True)
            each.chmod(0o755)
        meant = [segments_of(container, name) for container, name, _ in blobs]
        with contextlib.closing(
            self._files.tree.links(meant, [f"{folder}/{each}" for each in names])
        ) as linked:
            return [
                name if found is not None and is_content_of(etag, found) else None
                for name, found, (_, _, etag) in zip(names, linked, blobs, strict=True)
            ]

    async def read(
        self, container: str, name: str, etag: str | None, offset: int, length: int | None
    ) -> AsyncIterator[bytes]:
        segments = segments_of(container, name)
        if offset < 0 or (length is not None and length < 0):
            raise errors.Invalid("Offset and length cannot be negative.")
        blob, piece = await self._disk.run(self._files.begin, segments, etag, offset, length)
        try:
            while piece:
                yield piece
                piece = await self._disk.run(blob.read) if blob.left else b""
        finally:
            if blob.left:
                self._disk.later(blob.close)

    async def write(
        self,
        container: str,
        name: str,
        content: AsyncIterator[bytes] | bytes,
        record: Record,
        *,
        if_absent: bool = False,
        condition: Condition | None = None,
        drop_blocks: bool = False,
    ) -> StoredBlob:
        """`drop_blocks`: also the blob's uncommitted ones, as Put Blob does."""
        segments = segments_of(container, name)
        more: bytes | None = None
        if not isinstance(content, bytes):
            if if_absent or condition is not None:
                await self._disk.run(self._files.check, segments, if_absent, condition)
            pieces = _gathered(content)
            content, more = await anext(pieces, b""), await anext(pieces, None)
        if more is None:
            return await self._disk.run(
                self._files.write, segments, content, record, if_absent, condition, drop_blocks
            )
        draft = self._files.drafts.new()
        try:
            await self._disk.run(draft.write, content)
            await self._disk.run(draft.write, more)
            async for piece in pieces:
                await self._disk.run(draft.write, piece)
            written = await self._disk.run(
                self._files.publish, draft, segments, record, if_absent, condition
            )
        finally:
            self._disk.later(draft.discard)
        if drop_blocks:
            await self._disk.run(self._files.blocks.drop, container, name)
        return written

    async def change(
        self,
        container: str,
        name: str,
        change: Callable[[Record], Record],
        condition: Condition | None = None,
    ) -> StoredBlob:
        """Change the record; the content stays, its readers notice nothing."""
        segments = segments_of(container, name)
        return await self._disk.run(self._files.change, segments, change, condition)

    async def delete(
        self, container: str, name: str, condition: Condition | None = None
    ) -> StoredBlob | None:
        """What was deleted; None if nothing was there."""
        return await self._disk.run(self._files.remove, segments_of(container, name), condition)

    async def list(self, container: str, prefix: str) -> AsyncIterator[StoredBlob]:
        blob_names.check_container(container)
        pages = Steps(self._files.pages(container, prefix))
        try:
            while (page := await self._disk.run(pages.next)) is not None:
                for blob in page:
                    yield blob
        finally:
            self._disk.later(pages.close)

    async def page(
        self, container: str, prefix: str, since: str, delimiter: str, most: int
    ) -> tuple[Sequence[Entry], str | None]:
        """Up to `most` blobs from the name `since` on, in order of name; with a delimiter,
        those that have it after the prefix as the beginnings they share. Then where the
        next page begins, None at the end."""
        blob_names.check_container(container)
        steps = Steps(self._files.page(container, prefix, since, delimiter, most))
        entries, following = await self._disk.through(steps) or ((), None)
        return entries, following

    async def stage(
        self, container: str, name: str, block_id: str, content: AsyncIterator[bytes] | bytes
    ) -> None:
        segments_of(container, name)
        blocks = self._files.blocks
        if isinstance(content, bytes):
            if not content:
                raise _empty_block()
            fault = await self._stage((container, name, block_id, content))
            if fault is not None:
                raise fault
            return
        await self._disk.run(blocks.place, container, name, block_id)
        self._lengths.pop((container, name), None)
        draft = self._files.drafts.new()
        size = 0
        try:
            async for piece in _gathered(content):
                await self._disk.run(draft.write, piece)
                size += len(piece)
            if size == 0:
                raise _empty_block()
            await self._disk.run(blocks.keep, draft, container, name, block_id)
        finally:
            self._disk.later(draft.discard)

    async def _stages(
        self, blocks: Sequence[tuple[str, str, str, bytes]]
    ) -> Sequence[errors.DomainError | None]:
        """Blocks that come together, in one thread's turn: what staging each has against it."""
        known = [self._lengths.get(each[:2]) == block_id_size(each[2]) for each in blocks]
        faults = await self._disk.run(self._stage_each, blocks, known)
        for (container, name, block_id, _), fault in zip(blocks, faults, strict=True):
            if fault is None:
                self._know(container, name, block_id)
        return faults

    def _stage_each(
        self, blocks: Sequence[tuple[str, str, str, bytes]], known: Sequence[bool]
    ) -> Sequence[errors.DomainError | None]:
        faults: list[errors.DomainError | None] = []
        for block, is_known in zip(blocks, known, strict=True):
            try:
                in_domain_words(self._files.blocks.stage, *block, known=is_known)
                faults.append(None)
            except errors.DomainError as error:
                faults.append(error)
        return faults

    def _know(self, container: str, name: str, block_id: str) -> None:
        if len(self._lengths) >= _LENGTHS_KEPT:
            self._lengths.clear()
        self._lengths[container, name] = block_id_size(block_id)

    async def commit(
        self,
        container: str,
        name: str,
        blocks: Sequence[NamedBlock],
        record: Record,
        *,
        if_absent: bool = False,
        condition: Condition | None = None,
    ) -> StoredBlob:
        segments = segments_of(container, name)
        if len(blocks) > _COMMITTED_BLOCKS:
            raise errors.Invalid(
                f"A blob has at most {_COMMITTED_BLOCKS} blocks, not {len(blocks)}.",
                code="BlockListTooLong",
                target="blockIds",
            )
        lock = self._commits.setdefault((container, name), asyncio.Lock())
        work = Steps(self._files.commit(segments, blocks, record, if_absent, condition))
        try:
            async with asyncio.timeout(_COMMIT_WAIT), lock:
                (blob,) = await self._disk.through(work) or ()
                self._lengths.pop((container, name), None)
        except TimeoutError:
            raise errors.Unavailable(
                f"The blob {name!r} was not committed within {_COMMIT_WAIT:g} seconds."
            ) from None
        return blob

    async def block_lists(self, container: str, name: str) -> BlockLists:
        return await self._disk.run(self._files.block_lists, segments_of(container, name))

    async def block_place(self, container: str, name: str, block_id: str) -> Path:
        segments_of(container, name)
        blocks = self._files.blocks
        if self._lengths.get((container, name)) == block_id_size(block_id):
            # Whoever writes there makes the folder anew if a commit has taken it.
            return blocks.path(container, name, block_id)
        place = await self._disk.run(blocks.place, container, name, block_id)
        self._know(container, name, block_id)
        return place

    def uri(self, container: str, name: str) -> str:
        """Of the blob's file."""
        return self._files.tree.uri(segments_of(container, name))

    async def container(self, container: str) -> Container:
        blob_names.check_container(container)
        return await self._disk.run(self._files.container, container)

    async def make_container(self, container: str) -> Container:
        """Raises Conflict if its folder is there."""
        blob_names.check_container(container)
        return await self._disk.run(self._files.make_container, container)


def _within(
    most: int, contents: Iterable[bytes | errors.DomainError]
) -> Iterator[bytes | errors.DomainError]:
    """No more once they have `most` bytes."""
    for each in contents:
        yield each
        most -= len(each) if isinstance(each, bytes) else 0
        if most <= 0:
            return


def _known(etag: str | None) -> str:
    if etag is None:
        raise errors.Invalid("No ETag is named.")
    return etag


def segments_of(container: str, name: str) -> Sequence[str]:
    """Container and segments of the name. Raises Invalid."""
    return [blob_names.check_container(container), *blob_names.segments(name)]


def _apart(names: Sequence[str]) -> list[str]:
    """In folders by number: those that have one name are in different ones."""
    seen: Counter[str] = Counter()
    places = []
    for name in names:
        places.append(f"{seen[name]}/{name}")
        seen[name] += 1
    return places


def _empty_block() -> errors.Invalid:
    return errors.Invalid(
        "A block has at least one byte.", code="InvalidHeaderValue", target="content"
    )


async def _gathered(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces that are worth a hop to a thread."""
    pieces: list[bytes] = []
    size = 0
    async for piece in content:
        pieces.append(piece)
        size += len(piece)
        if size >= _WRITTEN_AT_ONCE:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)
