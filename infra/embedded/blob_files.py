"""What happens to the blob store's files: blocking, a call at a time, in some thread."""

import itertools
import os
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from domain import errors
from domain.ports import BlobProperties
from infra.embedded.blob_blocks import UncommittedBlocks, join, unknown
from infra.embedded.blob_drafts import Draft, Drafts, etag_of
from infra.embedded.blob_listing import BlobListing
from infra.embedded.blob_records import BlobRecords, Record
from infra.embedded.blob_sweep import sweep
from infra.embedded.blob_tree import BlobTree
from infra.embedded.disk import Descriptor

_PIECE = 1024 * 1024
_PAGE = 500


class OpenedBlob:
    """A blob as it was when it was opened, read piece by piece up to `end`."""

    def __init__(
        self, descriptor: int, found: os.stat_result, offset: int, length: int | None
    ) -> None:
        self._file = Descriptor(descriptor)
        self._etag = etag_of(found)
        self._offset = offset
        self._end = found.st_size if length is None else min(found.st_size, offset + length)

    @property
    def left(self) -> bool:
        return self._offset < self._end

    def read(self) -> bytes:
        """The next piece, b'' at the end. Raises StaleETag if the file was changed."""
        if not self.left:
            self.close()
            return b""
        piece = self._file.use(self._piece)
        self._offset += len(piece)
        if not self.left:
            self.close()
        return piece

    def close(self) -> None:
        self._file.close()

    def _piece(self, descriptor: int) -> bytes:
        piece = os.pread(descriptor, min(_PIECE, self._end - self._offset), self._offset)
        if not piece or etag_of(os.fstat(descriptor)) != self._etag:
            raise errors.StaleETag("The blob was changed while it was read.")
        return piece


class BlobFiles:
    """Segments are a checked name's, container first."""

    def __init__(self, data_dir: Path) -> None:
        state = data_dir / "blob-state"
        self.tree = BlobTree(data_dir / "blobs")
        self.drafts = Drafts(state / "temp")
        self.blocks = UncommittedBlocks(state / "blocks", self.drafts)
        self._records = BlobRecords(state / "properties", self.drafts)
        self._listing = BlobListing(self.tree, self.drafts.folder)

    def look(self, segments: Sequence[str]) -> BlobProperties:
        found = self.tree.look(segments)
        if found is None:
            raise _not_found(segments)
        return self._described(segments[0], "/".join(segments[1:]), found)

    def open(
        self, segments: Sequence[str], etag: str | None, offset: int, length: int | None
    ) -> tuple[OpenedBlob, bytes]:
        """The blob and its first piece."""
        opened = self.tree.open(segments)
        if opened is None:
            raise _not_found(segments)
        blob = OpenedBlob(*opened, offset, length)
        try:
            if etag is not None and etag != etag_of(opened[1]):
                raise errors.StaleETag(
                    f"The blob {'/'.join(segments[1:])!r} is no longer the one with the ETag"
                    f" {etag}."
                )
            return blob, blob.read()
        except BaseException:
            blob.close()
            raise

    def refuse_if_there(self, segments: Sequence[str]) -> None:
        if self.tree.look(segments) is not None:
            name = "/".join(segments[1:])
            raise errors.BlobExists(f"The blob {name!r} exists already.", target=name)

    def write(
        self, segments: Sequence[str], content: bytes, record: Record, if_absent: bool
    ) -> BlobProperties:
        if if_absent:
            self.refuse_if_there(segments)
        draft = self.drafts.new()
        try:
            draft.write(content)
            return self.publish(draft, segments, record, if_absent)
        finally:
            draft.discard()

    def publish(
        self,
        draft: Draft,
        segments: Sequence[str],
        record: Record,
        if_absent: bool,
        blocks: Sequence[tuple[str, int]] = (),
    ) -> BlobProperties:
        """Give the draft its name, its records first."""
        container, name = segments[0], "/".join(segments[1:])
        found = draft.finish()
        etag = etag_of(found)
        replaced = None if if_absent else self.tree.look(segments)
        try:
            self._records.keep(container, name, etag, record)
            if blocks:
                self._records.keep_blocks(container, name, etag, blocks)
            self.tree.place(draft.path, segments, if_absent=if_absent)
        except BaseException:
            self._records.forget(container, name, etag)
            raise
        if replaced is not None:
            self._records.forget(container, name, etag_of(replaced))
        return _properties(name, found, record)

    def remove(self, segments: Sequence[str]) -> None:
        found = self.tree.remove(segments)
        if found is not None:
            self._records.forget(segments[0], "/".join(segments[1:]), etag_of(found))

    def commit(
        self, segments: Sequence[str], ids: Sequence[str], record: Record, if_absent: bool
    ) -> Generator[Sequence[BlobProperties], None, None]:
        """Join the blocks. Yields nothing after each step but the last, then the blob."""
        if if_absent:
            self.refuse_if_there(segments)
        container, name = segments[0], "/".join(segments[1:])
        uncommitted = self.blocks.ids(container, name)
        staged = {id: self.blocks.path(container, name, id) for id in uncommitted & set(ids)}
        blob: int | None = None
        ranges: dict[str, tuple[int, int]] = {}
        if len(staged) < len(set(ids)):
            blob, ranges = self._committed(segments)
        draft = self.drafts.new()
        try:
            missing = [id for id in dict.fromkeys(ids) if id not in staged and id not in ranges]
            if missing:
                raise unknown(missing)
            blocks: list[tuple[str, int]] = []
            for added in join(draft, ids, staged, blob, ranges):
                blocks += added
                yield ()
            published = self.publish(draft, segments, record, if_absent, blocks)
        finally:
            draft.discard()
            if blob is not None:
                os.close(blob)
        self.blocks.drop(container, name)
        yield (published,)

    def pages(self, container: str, prefix: str) -> Generator[Sequence[BlobProperties], None, None]:
        """The container's blobs in order of name."""
        walk = self._listing.walk(container, prefix)
        plain = Record()
        try:
            while page := tuple(itertools.islice(walk, _PAGE)):
                if self._records.any_in(container):
                    yield [self._described(container, name, found) for name, found in page]
                else:
                    yield [_properties(name, found, plain) for name, found in page]
        finally:
            walk.close()

    def sweep(self) -> Generator[int, None, None]:
        return sweep(self.tree, self.drafts, self._records, self.blocks)

    def _described(self, container: str, name: str, found: os.stat_result) -> BlobProperties:
        return _properties(name, found, self._records.read(container, name, etag_of(found)))

    def _committed(self, segments: Sequence[str]) -> tuple[int | None, dict[str, tuple[int, int]]]:
        """The blob's descriptor, and offset and length of each block it was made of."""
        opened = self.tree.open(segments)
        if opened is None:
            return None, {}
        blob, found = opened
        ranges, offset = {}, 0
        name = "/".join(segments[1:])
        for id, length in self._records.blocks(segments[0], name, etag_of(found)):
            ranges[id] = (offset, length)
            offset += length
        return blob, ranges


def _properties(name: str, found: os.stat_result, record: Record) -> BlobProperties:
    return BlobProperties(
        name=name,
        size=found.st_size,
        etag=etag_of(found),
        last_modified=datetime.fromtimestamp(found.st_mtime, UTC),
        content_type=record.content_type,
        metadata=record.metadata,
    )


def _not_found(segments: Sequence[str]) -> errors.BlobNotFound:
    name = "/".join(segments[1:])
    return errors.BlobNotFound(
        f"There is no blob {name!r} in the container {segments[0]!r}.", target=name
    )
