"""Removing what the blob store no longer needs."""

import contextlib
import itertools
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from infra.embedded.blobs.blob_blocks import UncommittedBlocks
from infra.embedded.blobs.blob_drafts import Drafts, etag_of
from infra.embedded.blobs.blob_records import BlobRecords
from infra.embedded.blobs.blob_tree import BlobTree

_HOUR = 3600.0
_WEEK = 7 * 24 * _HOUR
_STEP = 500


def sweep(
    tree: BlobTree, drafts: Drafts, records: BlobRecords, blocks: UncommittedBlocks
) -> Generator[int, None, None]:
    """Remove drafts that nobody has touched for an hour, blocks uncommitted for a week,
    and records of content that is no more. Yields how many were looked at, in steps."""
    now = time.time()
    looked = 0
    for path in itertools.chain(
        _drafts(drafts, now), _blocks(blocks, now), _records(records, tree, now)
    ):
        if path is not None:
            # A folder that is not empty stays; so does what vanished by itself.
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        looked += 1
        if looked % _STEP == 0:
            yield looked
    yield looked


def _drafts(drafts: Drafts, now: float) -> Iterator[Path | None]:
    for path in _children(drafts.folder()):
        yield path if _age(path, now) > _HOUR else None


def _blocks(blocks: UncommittedBlocks, now: float) -> Iterator[Path | None]:
    for container in _children(blocks.root):
        for folder in _children(container):
            age = _age(folder, now)
            for path in _children(folder):
                yield path if _age(path, now) > _WEEK else None
            yield folder if age > _WEEK else None


def _records(records: BlobRecords, tree: BlobTree, now: float) -> Iterator[Path | None]:
    for container in _children(records.root):
        for path in _children(container):
            yield path if _age(path, now) > _HOUR and _stray(records, tree, path) else None


def _stray(records: BlobRecords, tree: BlobTree, path: Path) -> bool:
    name = records.name_of(path)
    if name is None:
        return True
    found = tree.look([path.parent.name, *name.split("/")])
    return found is None or not records.is_of(path, name, etag_of(found))


def _children(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            yield Path(entry.path)


def _age(path: Path, now: float) -> float:
    with contextlib.suppress(FileNotFoundError):
        return now - path.lstat().st_mtime
    return 0.0
