"""A container's blobs with their records, a page at a time."""

import itertools
import os
from collections.abc import Generator, Sequence

from infra.embedded.blobs.blob_drafts import etag_of
from infra.embedded.blobs.blob_listing import BlobListing
from infra.embedded.blobs.blob_records import BlobRecords
from infra.embedded.blobs.stored_blob import StoredBlob, stored

_PAGE = 500

Entry = StoredBlob | str
"""A blob, or what the names of several begin with."""
Page = tuple[Sequence[Entry], str | None]

_Walk = (
    Generator[tuple[str, os.stat_result | None], None, None]
    | Generator[tuple[str, os.stat_result], None, None]
)


class BlobPages:
    """Blocking."""

    def __init__(self, listing: BlobListing, records: BlobRecords) -> None:
        self._listing = listing
        self._records = records

    def all(self, container: str, prefix: str) -> Generator[Sequence[StoredBlob], None, None]:
        """The container's blobs in order of name."""
        walk = self._listing.walk(container, prefix)
        try:
            while page := tuple(itertools.islice(walk, _PAGE)):
                described = self._describing(container)
                yield [described.blob(name, found) for name, found in page]
        finally:
            walk.close()

    def one(
        self, container: str, prefix: str, since: str, delimiter: str, most: int
    ) -> Generator[Page, None, None]:
        """Yields empty pages while it works, then the page and where the next one begins."""
        walk: _Walk
        if delimiter == "/":
            walk = self._listing.level(container, prefix, since)
        elif delimiter:
            walk = _grouped(self._listing.walk(container, prefix, since), prefix, delimiter)
        else:
            walk = self._listing.walk(container, prefix, since)
        seen: list[tuple[str, os.stat_result | None]] = []
        following = None
        try:
            for looked, (name, found) in enumerate(walk, 1):
                if len(seen) == most:
                    following = name
                    break
                seen.append((name, found))
                if looked % _PAGE == 0:
                    yield (), None
        finally:
            walk.close()
        # Not before: a record is there before its blob has the name.
        described = self._describing(container)
        entries = [name if found is None else described.blob(name, found) for name, found in seen]
        yield entries, following

    def _describing(self, container: str) -> "_Describing":
        return _Describing(self._records, container)


class _Describing:
    """The records of a page's blobs."""

    def __init__(self, records: BlobRecords, container: str) -> None:
        self._records = records
        self._container = container
        self._present = records.present(container, _PAGE)

    def blob(self, name: str, found: os.stat_result) -> StoredBlob:
        record = self._records.read(self._container, name, etag_of(found), self._present)
        return stored(name, found, record)


def _grouped(
    walk: Generator[tuple[str, os.stat_result], None, None], prefix: str, delimiter: str
) -> Generator[tuple[str, os.stat_result | None], None, None]:
    """In place of the names with the delimiter after the prefix, once what they begin with."""
    group: str | None = None
    try:
        for name, found in walk:
            if group is not None and name.startswith(group):
                continue
            head, there, _ = name[len(prefix) :].partition(delimiter)
            group = f"{prefix}{head}{delimiter}" if there else None
            yield (group, None) if group is not None else (name, found)
    finally:
        walk.close()
