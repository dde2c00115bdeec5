"""What is kept of a blob beside its file:

    <root>/<container>/<key>.json      HTTP headers and metadata, where not the default
    <root>/<container>/<key>.blocks    ids and lengths of the blocks it was made of

A key hashes name and the content's ETag. A record is written before its blob gets the name,
and holds for exactly that content: a file that a user puts there or changes has none. A
record that is changed later counts its revisions by time.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from infra.embedded.blobs.blob_drafts import Drafts
from infra.rules.blob_record import Record

Present = frozenset[str] | None
"""The names of a container's records; None: not known, ask for each."""

_FEW = 8
_WORTH_A_LOOK = 8
_NONE = Record()
_ENCODED_AT_ONCE = 2000


class BlobRecords:
    """Blocking; the caller brings checked names."""

    def __init__(self, root: Path, drafts: Drafts) -> None:
        self.root = root
        self._root = str(root)
        self._drafts = drafts

    def present(self, container: str, blobs: int) -> Present:
        """What to `read` with when `blobs` of a container are looked at: few have a record, and
        to go through a short folder once costs less than to ask for each, unless they are few
        too. A record that is there when this is called, and stays, is in it."""
        if blobs < _FEW:
            return None
        most = blobs * _WORTH_A_LOOK
        try:
            with os.scandir(f"{self._root}/{container}") as entries:
                found = frozenset(e.name for e in itertools.islice(entries, most + 1))
        except FileNotFoundError:
            return frozenset()
        return found if len(found) <= most else None

    def read(self, container: str, name: str, etag: str, present: Present = None) -> Record:
        file_name = f"{_key(name, etag)}.json"
        if present is not None and file_name not in present:
            return _NONE
        try:
            # No Path is made for it: it is asked for each blob that is looked at.
            with open(f"{self._root}/{container}/{file_name}", "rb") as file:
                record = json.loads(file.read())
        except FileNotFoundError:
            return _NONE
        return Record(
            record["content_type"],
            record["metadata"],
            record.get("headers", {}),
            record.get("revision", 0),
        )

    def keep(self, container: str, name: str, etag: str, record: Record) -> None:
        if record != Record():
            content = {
                "name": name,
                "content_type": record.content_type,
                "metadata": dict(record.metadata),
                "headers": dict(record.headers),
                "revision": record.revision,
            }
            self._put(self._path(container, name, etag, "json"), [json.dumps(content).encode()])

    def blocks(self, container: str, name: str, etag: str) -> Sequence[tuple[str, int]]:
        """Ids and lengths of the blocks that this content consists of."""
        try:
            record = json.loads(self._path(container, name, etag, "blocks").read_bytes())
        except FileNotFoundError:
            return []
        return [(block_id, length) for block_id, length in record["blocks"]]

    def keep_blocks(
        self, container: str, name: str, etag: str, blocks: Iterable[tuple[str, int]]
    ) -> None:
        path = self._path(container, name, etag, "blocks")
        self._put(path, _encoded(name, blocks))

    def forget(self, container: str, name: str, etag: str) -> None:
        for kind in ("json", "blocks"):
            self._path(container, name, etag, kind).unlink(missing_ok=True)

    def name_of(self, path: Path) -> str | None:
        """The blob's name in the record at `path`; None for what is no record."""
        try:
            name = json.loads(path.read_bytes())["name"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return name if isinstance(name, str) else None

    def is_of(self, path: Path, name: str, etag: str) -> bool:
        return path.stem == _key(name, etag)

    def _path(self, container: str, name: str, etag: str, kind: str) -> Path:
        return self.root / container / f"{_key(name, etag)}.{kind}"

    def _put(self, path: Path, pieces: Iterable[bytes]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._drafts.new()
        try:
            for piece in pieces:
                draft.write(piece)
            draft.path.rename(path)
        finally:
            draft.discard()


def _encoded(name: str, blocks: Iterable[tuple[str, int]]) -> Iterator[bytes]:
    """The record of a blob's blocks, some thousands of them at a time."""
    yield f'{{"name": {json.dumps(name)}, "blocks": ['.encode()
    rest, separator = iter(blocks), ""
    while some := list(itertools.islice(rest, _ENCODED_AT_ONCE)):
        yield f"{separator}{json.dumps(some)[1:-1]}".encode()
        separator = ", "
    yield b"]}"


def _key(name: str, etag: str) -> str:
    return hashlib.sha256(f"{name}\0{etag}".encode()).hexdigest()
