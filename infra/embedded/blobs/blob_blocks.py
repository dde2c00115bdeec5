"""Blocks: staged as files `<root>/<container>/<hash of name>/<id>.block`, by this process or by
a worker that was lent the place, and joined into a blob by commit."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from domain import errors
from infra.embedded.blobs.blob_drafts import Draft, Drafts
from infra.embedded.blobs.block_files import block_file, block_id
from infra.embedded.disk import write_all
from infra.rules.blob_names import block_id_size

_STEP_BYTES = 64 * 1024 * 1024
_STEP_BLOCKS = 256
_PIECE = 1024 * 1024
_TRIES = 20
_NO_RANGE_COPY = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}

Range = tuple[int, int, int]
"""Descriptor of a blob, and offset and length in it."""


class UncommittedBlocks:
    """Blocking; the caller brings checked names."""

    def __init__(self, root: Path, drafts: Drafts) -> None:
        self.root = root
        self._drafts = drafts

    def stage(
        self, container: str, name: str, id: str, content: bytes, *, known: bool = False
    ) -> None:
        """`known`: there have just been others of the blob, whose ids are as long."""
        draft = self._drafts.new()
        try:
            draft.write(content)
            if known:
                with contextlib.suppress(FileNotFoundError):
                    draft.path.rename(self.path(container, name, id))
                    return
            self.keep(draft, container, name, id)
        finally:
            draft.discard()

    def keep(self, draft: Draft, container: str, name: str, id: str) -> None:
        """Make the draft a block. Raises Invalid for an id of another length."""
        for _ in range(_TRIES):
            place = self.place(container, name, id)
            # A commit may take the folder away in between.
            with contextlib.suppress(FileNotFoundError):
                draft.path.rename(place)
                return
        raise errors.Unavailable("Others commit the same blob all the time; try again.")

    def place(self, container: str, name: str, id: str) -> Path:
        """Where the block's file goes. Raises Invalid for an id of another length."""
        folder, file = self._folder(container, name), block_file(id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        other = next(self._ids(folder), id)
        if block_id_size(other) != block_id_size(id):
            raise errors.Invalid(
                f"All block ids of a blob have one length; {id!r} has {block_id_size(id)} bytes,"
                f" the others have {block_id_size(other)}.",
                code="InvalidBlobOrBlock",
                target="blockId",
            )
        return folder / file

    def path(self, container: str, name: str, id: str) -> Path:
        return self._folder(container, name) / block_file(id)

    def of(self, container: str, name: str) -> "StagedBlocks":
        return StagedBlocks(self._folder(container, name))

    def sizes(self, container: str, name: str) -> list[tuple[str, int]]:
        """Ids and lengths of the uncommitted blocks, in order of id."""
        found = []
        for id in sorted(self._ids(self._folder(container, name))):
            # A commit may take it away meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found.append((id, self.path(container, name, id).stat().st_size))
        return found

    def drop(self, container: str, name: str) -> None:
        folder = self._folder(container, name)
        # What cannot be removed, and what a late writer adds meanwhile, is left to the sweep.
        # One by one: rmtree would hold tens of thousands of entries at once.
        with contextlib.suppress(OSError):
            with os.scandir(folder) as entries:
                for entry in entries:
                    os.unlink(entry.path)
            folder.rmdir()

    def _ids(self, folder: Path) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                id = block_id(entry.name)
                if id is not None:
                    yield id

    def _folder(self, container: str, name: str) -> Path:
        return self.root / container / hashlib.sha256(name.encode()).hexdigest()


class StagedBlocks:
    """One blob's. Asked one at a time, for there may be tens of thousands."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def file(self, id: str) -> str:
        """Where the block is, if it is staged."""
        return f"{self._folder}/{block_file(id)}"

    def __contains__(self, id: str) -> bool:
        try:
            return os.path.lexists(self.file(id))
        except errors.Invalid:
            return False  # Nothing is staged under such an id.


def join(
    draft: Draft, blocks: Iterable[tuple[str, str | Range]]
) -> Generator[Sequence[int], None, None]:
    """Append the blocks to `draft`: those with a path from their files, the others from
    their ranges. Yields the lengths of those that a step has added. Raises Invalid for a block
    without content, or one that has gone."""
    added: list[int] = []
    size = 0
    for id, place in blocks:
        if isinstance(place, str):
            try:
                source = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise unknown([id]) from None
            try:
                offset, length = 0, os.fstat(source).st_size
                for copied in _copied(source, draft, offset, length):
                    size += copied
                    if size >= _STEP_BYTES:
                        yield added
                        added, size = [], 0
            finally:
                os.close(source)
        else:
            blob, offset, length = place
            for copied in _copied(blob, draft, offset, length):
                size += copied
                if size >= _STEP_BYTES:
                    yield added
                    added, size = [], 0
        if length == 0:
            raise errors.Invalid(f"The block {id!r} is empty.", target="blockId")
        added.append(length)
        if len(added) >= _STEP_BLOCKS:
            yield added
            added, size = [], 0
    yield added


def unknown(ids: Sequence[str]) -> errors.Invalid:
    shown = ", ".join(repr(id) for id in ids[:5]) + (" ..." if len(ids) > 5 else "")
    return errors.Invalid(f"No such block: {shown}.", code="InvalidBlockList", target="blockId")


def _copied(source: int, draft: Draft, offset: int, length: int) -> Iterator[int]:
    """Copy a range in pieces, and tell the length of each."""
    while length > 0:
        most = min(length, _STEP_BYTES)
        copied = draft.append(partial(_copy, source, offset, most))
        if copied == 0:
            raise errors.Unavailable("A block became shorter while it was copied.")
        yield copied
        offset += copied
        length -= copied


def _copy(source: int, offset: int, most: int, target: int) -> int:
    """Some of the range, by the kernel alone where it can."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, most, offset)
        except OSError as error:
            if error.errno not in _NO_RANGE_COPY:
                raise
    content = os.pread(source, min(most, _PIECE), offset)
    write_all(target, content)
    return len(content)
