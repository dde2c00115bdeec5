"""What the blob store tells of what it keeps: a blob with its record, its blocks, a container."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from domain.ports import BlobProperties
from infra.embedded.blobs.blob_drafts import etag_of
from infra.rules.blob_record import Record


@dataclass(frozen=True)
class StoredBlob(BlobProperties):
    """`headers` are the HTTP headers it is served with beside its content type."""

    headers: Mapping[str, str] = field(default_factory=dict)


Condition = Callable[[StoredBlob | None], None]
"""Raises what it has against the blob that is there, if any is."""


@dataclass(frozen=True, slots=True)
class NamedBlock:
    """A block in a list to commit, and where it is looked for: `latest` is among the
    uncommitted ones first, then in the blob."""

    id: str
    place: Literal["latest", "committed", "uncommitted"] = "latest"


@dataclass(frozen=True)
class BlockLists:
    """Ids and lengths: of what the blob consists of, if there is a blob and it was made of
    blocks, and of what waits to be committed."""

    blob: StoredBlob | None
    committed: Sequence[tuple[str, int]]
    uncommitted: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Container:
    etag: str
    last_modified: datetime


def stored(name: str, found: os.stat_result, record: Record) -> StoredBlob:
    """A change of the record brings a new ETag and time as one of the content does."""
    etag = etag_of(found)
    if record.revision:
        etag = f'{etag[:-1]}-{record.revision:X}"'
    return StoredBlob(
        name=name,
        size=found.st_size,
        etag=etag,
        last_modified=datetime.fromtimestamp(record.revision / 1e9 or found.st_mtime, UTC),
        content_type=record.content_type,
        metadata=record.metadata,
        headers=record.headers,
    )


def container(found: os.stat_result | None) -> Container:
    """One that has no folder yet is there, empty: its first blob makes the folder."""
    if found is None:
        return Container('"0x0"', datetime.fromtimestamp(0, UTC))
    modified = datetime.fromtimestamp(found.st_mtime, UTC)
    return Container(f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}"', modified)
