"""What happens to the blob store's files: blocking, a call at a time, in some thread."""

import contextlib
import os
import threading
from array import array
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from domain import errors
from infra.embedded.blobs import stored_blob
from infra.embedded.blobs.blob_blocks import Range, UncommittedBlocks, join, unknown
from infra.embedded.blobs.blob_drafts import Draft, Drafts, etag_of, next_stamp
from infra.embedded.blobs.blob_listing import BlobListing
from infra.embedded.blobs.blob_pages import BlobPages, Page
from infra.embedded.blobs.blob_records import BlobRecords, Present
from infra.embedded.blobs.blob_sweep import sweep
from infra.embedded.blobs.blob_tree import BlobTree
from infra.embedded.blobs.opened_blob import OpenedBlob
from infra.embedded.blobs.stored_blob import (
    BlockLists,
    Condition,
    Container,
    NamedBlock,
    StoredBlob,
    stored,
)
from infra.rules.blob_record import Record

_TURNS = 64


class BlobFiles:
    """Segments are a checked name's, container first. Of two who change one blob, the
    second finds what the first has done."""

    def __init__(self, data_dir: Path) -> None:
        state = data_dir / "blob-state"
        self.tree = BlobTree(data_dir / "blobs")
        self.drafts = Drafts(state / "temp")
        self.blocks = UncommittedBlocks(state / "blocks", self.drafts)
        self._records = BlobRecords(state / "properties", self.drafts)
        self._pages = BlobPages(BlobListing(self.tree, self.drafts.folder), self._records)
        self._turns = [threading.Lock() for _ in range(_TURNS)]

    def look(self, segments: Sequence[str]) -> StoredBlob:
        blob = self._there(segments)
        if blob is None:
            raise not_found(segments)
        return blob

    def looks(self, blobs: Sequence[Sequence[str]]) -> list[StoredBlob | None]:
        found = self.tree.looks(blobs)
        # Not before: a record is there before its blob has the name.
        present = {c: self._records.present(c, len(blobs)) for c in {blob[0] for blob in blobs}}
        return [
            None if one is None else self._described(blob, one, present[blob[0]])
            for blob, one in zip(blobs, found, strict=True)
        ]

    def open(self, segments: Sequence[str]) -> tuple[OpenedBlob, StoredBlob]:
        return self._opened(segments, self.tree.open(segments))

    def begin(
        self, segments: Sequence[str], etag: str | None, offset: int, length: int | None
    ) -> tuple[OpenedBlob, bytes]:
        """The blob and its first piece. Raises StaleETag if it is not the one `etag` names."""
        return self._begun(self.open(segments), etag, offset, length)

    def wholes(
        self, blobs: Sequence[tuple[Sequence[str], str]], largest: int
    ) -> Generator[bytes | errors.DomainError, None, None]:
        """Of each of these segments the content that the ETag names, or what `begin` raises;
        TooLarge for more than `largest` bytes. Of blobs that follow each other in a folder, the
        way there is gone once."""
        # Before they are looked at: one that has its record later never had that ETag without it.
        containers = {segments[0] for segments, _ in blobs}
        present = {each: self._records.present(each, len(blobs)) for each in containers}
        found = self.tree.opens([segments for segments, _ in blobs])
        with contextlib.closing(found):
            for (segments, etag), one in zip(blobs, found, strict=True):
                try:
                    opened = self._opened(segments, one, present[segments[0]])
                    blob, piece = self._begun(opened, etag, 0, largest + 1)
                except errors.DomainError as error:
                    yield error
                    continue
                is_whole = not blob.left and len(piece) <= largest
                blob.close()
                yield piece if is_whole else too_large(largest)

    def _opened(
        self,
        segments: Sequence[str],
        opened: tuple[int, os.stat_result] | None,
        present: Present = None,
    ) -> tuple[OpenedBlob, StoredBlob]:
        if opened is None:
            raise not_found(segments)
        blob = OpenedBlob(*opened)
        try:
            return blob, self._described(segments, opened[1], present)
        except BaseException:  # nobody has it who could close it
            blob.close()
            raise

    def _begun(
        self,
        opened: tuple[OpenedBlob, StoredBlob],
        etag: str | None,
        offset: int,
        length: int | None,
    ) -> tuple[OpenedBlob, bytes]:
        blob, found = opened
        try:
            if etag is not None and etag != found.etag:
                raise errors.StaleETag(
                    f"The blob {found.name!r} is no longer the one with the ETag {etag}."
                )
            blob.select(offset, length)
            return blob, blob.read()
        except BaseException:  # nobody has it who could close it
            blob.close()
            raise

    def check(self, segments: Sequence[str], if_absent: bool, condition: Condition | None) -> None:
        """Raise what a write would meet."""
        blob = self._there(segments)
        if condition is not None:
            condition(blob)
        if if_absent and blob is not None:
            raise errors.BlobExists(f"The blob {blob.name!r} exists already.", target=blob.name)

    def write(
        self,
        segments: Sequence[str],
        content: bytes,
        record: Record,
        if_absent: bool,
        condition: Condition | None,
        drop_blocks: bool,
    ) -> StoredBlob:
        if if_absent:
            self.check(segments, if_absent, condition)
        draft = self.drafts.new()
        try:
            draft.write(content)
            written = self.publish(draft, segments, record, if_absent, condition)
        finally:
            draft.discard()
        if drop_blocks:
            self.blocks.drop(segments[0], written.name)
        return written

    def publish(
        self,
        draft: Draft,
        segments: Sequence[str],
        record: Record,
        if_absent: bool,
        condition: Condition | None = None,
        blocks: Iterable[tuple[str, int]] | None = None,
    ) -> StoredBlob:
        """Give the draft its name, its records first."""
        container, name = segments[0], "/".join(segments[1:])
        found = draft.finish()
        etag = etag_of(found)
        with self._turn(segments):
            replaced = None if if_absent and condition is None else self.tree.look(segments)
            if condition is not None:
                condition(None if replaced is None else self._described(segments, replaced))
            try:
                self._records.keep(container, name, etag, record)
                if blocks is not None:
                    self._records.keep_blocks(container, name, etag, blocks)
                self.tree.place(draft.path, segments, if_absent=if_absent)
            except BaseException:  # no record without its blob, whatever came between
                self._records.forget(container, name, etag)
                raise
            if replaced is not None:
                self._records.forget(container, name, etag_of(replaced))
        return stored(name, found, record)

    def change(
        self,
        segments: Sequence[str],
        change: Callable[[Record], Record],
        condition: Condition | None,
    ) -> StoredBlob:
        container, name = segments[0], "/".join(segments[1:])
        with self._turn(segments):
            found = self.tree.look(segments)
            if found is None:
                raise not_found(segments)
            old = self._records.read(container, name, etag_of(found))
            if condition is not None:
                condition(stored(name, found, old))
            new = replace(change(old), revision=next_stamp())
            self._records.keep(container, name, etag_of(found), new)
        return stored(name, found, new)

    def remove(self, segments: Sequence[str], condition: Condition | None) -> StoredBlob | None:
        with self._turn(segments):
            blob = None
            if condition is not None:
                blob = self._there(segments)
                if blob is None:
                    return None
                condition(blob)
            found = self.tree.remove(segments)
            if found is None:
                return None
            self._records.forget(segments[0], "/".join(segments[1:]), etag_of(found))
            return blob or stored("/".join(segments[1:]), found, Record())

    def commit(
        self,
        segments: Sequence[str],
        named: Sequence[NamedBlock],
        record: Record,
        if_absent: bool,
        condition: Condition | None,
    ) -> Generator[Sequence[StoredBlob], None, None]:
        """Join the blocks. Yields nothing after each step but the last, then the blob."""
        if if_absent or condition is not None:
            self.check(segments, if_absent, condition)
        container, name = segments[0], "/".join(segments[1:])
        staged = self.blocks.of(container, name)
        elsewhere = {b for b in named if b.place == "committed" or b.id not in staged}
        blob: int | None = None
        ranges: dict[str, Range] = {}
        if elsewhere:
            blob, ranges = self._committed(segments)
        draft = self.drafts.new()
        try:
            _refuse_missing(elsewhere, named, ranges)
            places = ((b.id, ranges[b.id] if b in elsewhere else staged.file(b.id)) for b in named)
            lengths = array("Q")
            for added in join(draft, places):
                lengths.extend(added)
                yield ()
            blocks = zip((b.id for b in named), lengths, strict=True) if named else None
            published = self.publish(draft, segments, record, if_absent, condition, blocks)
        finally:
            draft.discard()
            if blob is not None:
                os.close(blob)
        self.blocks.drop(container, name)
        yield (published,)

    def block_lists(self, segments: Sequence[str]) -> BlockLists:
        """Raises BlobNotFound where there is neither a blob nor a block."""
        container, name = segments[0], "/".join(segments[1:])
        uncommitted = self.blocks.sizes(container, name)
        found = self.tree.look(segments)
        if found is None:
            if not uncommitted:
                raise not_found(segments)
            return BlockLists(None, (), uncommitted)
        committed = self._records.blocks(container, name, etag_of(found))
        return BlockLists(self._described(segments, found), committed, uncommitted)

    def pages(self, container: str, prefix: str) -> Generator[Sequence[StoredBlob], None, None]:
        return self._pages.all(container, prefix)

    def page(
        self, container: str, prefix: str, since: str, delimiter: str, most: int
    ) -> Generator[Page, None, None]:
        return self._pages.one(container, prefix, since, delimiter, most)

    def container(self, container: str) -> Container:
        try:
            with self.tree.folder([container]) as folder:
                return stored_blob.container(os.fstat(folder))
        except FileNotFoundError:
            return stored_blob.container(None)

    def make_container(self, container: str) -> Container:
        with self._turn([container]):
            try:
                with self.tree.folder([container]):
                    pass
            except FileNotFoundError:
                with self.tree.folder([container], make=True):
                    pass
                return self.container(container)
        raise errors.Conflict(
            f"The container {container!r} exists already.", code="ContainerAlreadyExists"
        )

    def sweep(self) -> Generator[int, None, None]:
        return sweep(self.tree, self.drafts, self._records, self.blocks)

    def _there(self, segments: Sequence[str]) -> StoredBlob | None:
        found = self.tree.look(segments)
        return None if found is None else self._described(segments, found)

    def _described(
        self, segments: Sequence[str], found: os.stat_result, present: Present = None
    ) -> StoredBlob:
        name = "/".join(segments[1:])
        return stored(name, found, self._records.read(segments[0], name, etag_of(found), present))

    def _turn(self, segments: Sequence[str]) -> threading.Lock:
        return self._turns[hash(tuple(segments)) % _TURNS]

    def _committed(self, segments: Sequence[str]) -> tuple[int | None, dict[str, Range]]:
        """The blob's descriptor, and where each block that it was made of is."""
        opened = self.tree.open(segments)
        if opened is None:
            return None, {}
        blob, found = opened
        ranges, offset = {}, 0
        name = "/".join(segments[1:])
        for id, length in self._records.blocks(segments[0], name, etag_of(found)):
            ranges[id] = (blob, offset, length)
            offset += length
        return blob, ranges


def _refuse_missing(
    elsewhere: Set[NamedBlock], named: Sequence[NamedBlock], ranges: Mapping[str, Range]
) -> None:
    """Raise Invalid for those of `named` that are `elsewhere` than among the staged blocks, and
    nowhere in the blob."""
    gone = {b for b in elsewhere if b.place == "uncommitted" or b.id not in ranges}
    if gone:
        raise unknown(list(dict.fromkeys(b.id for b in named if b in gone)))


def too_large(largest: int) -> errors.TooLarge:
    return errors.TooLarge(f"It has more than {largest} bytes.")


def not_found(segments: Sequence[str]) -> errors.BlobNotFound:
    name = "/".join(segments[1:])
    return errors.BlobNotFound(
        f"There is no blob {name!r} in the container {segments[0]!r}.", target=name
    )
