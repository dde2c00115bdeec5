"""What is kept of a blob beside its file:

    <root>/<container>/<key>.json      HTTP headers and metadata, where not the default
    <root>/<container>/<key>.blocks    ids and lengths of the blocks it was made of

A key hashes name and the content's ETag. A record is written before its blob gets the name,
and holds for exactly that content: a file that a user puts there or changes has none. A
record that is changed later counts its revisions by time.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from infra.blob_record import Record
from infra.embedded.blob_drafts import Drafts


class BlobRecords:
    """Blocking; the caller brings checked names."""

    def __init__(self, root: Path, drafts: Drafts) -> None:
        self.root = root
        self._root = str(root)
        self._drafts = drafts

    def any_in(self, container: str) -> bool:
        return (self.root / container).exists()

    def read(self, container: str, name: str, etag: str) -> Record:
        try:
            # Asked for each blob that is looked at, and seldom there: no Path is made for it.
            with open(f"{self._root}/{container}/{_key(name, etag)}.json", "rb") as file:
                record = json.loads(file.read())
        except FileNotFoundError:
            return Record()
        return Record(
            record["content_type"],
            record["metadata"],
            record.get("headers", {}),
            record.get("revision", 0),
        )

    def keep(self, container: str, name: str, etag: str, record: Record) -> None:
        if record != Record():
            self._put(
                self._path(container, name, etag, "json"),
                {
                    "name": name,
                    "content_type": record.content_type,
                    "metadata": dict(record.metadata),
                    "headers": dict(record.headers),
                    "revision": record.revision,
                },
            )

    def blocks(self, container: str, name: str, etag: str) -> Sequence[tuple[str, int]]:
        """Ids and lengths of the blocks that this content consists of."""
        try:
            record = json.loads(self._path(container, name, etag, "blocks").read_bytes())
        except FileNotFoundError:
            return []
        return [(block_id, length) for block_id, length in record["blocks"]]

    def keep_blocks(
        self, container: str, name: str, etag: str, blocks: Sequence[tuple[str, int]]
    ) -> None:
        path = self._path(container, name, etag, "blocks")
        self._put(path, {"name": name, "blocks": list(blocks)})

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

    def _put(self, path: Path, content: object) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._drafts.new()
        try:
            draft.write(json.dumps(content).encode())
            draft.path.rename(path)
        finally:
            draft.discard()


def _key(name: str, etag: str) -> str:
    return hashlib.sha256(f"{name}\0{etag}".encode()).hexdigest()
