"""Files as one zip, written as it is sent: none of them is in memory, nor is the whole."""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from typing import IO, Final, cast

from domain.ports import BlobProperties, BlobStore

_STEP: Final = 256 * 1024


class _Sink:
    """What a zip is written to, and taken from; it can't be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, content: bytes) -> int:
        self._pieces.append(bytes(content))
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return content


async def zipped(
    blobs: BlobStore, container: str, files: AsyncIterator[tuple[str, BlobProperties]]
) -> AsyncIterator[bytes]:
    """Each by the name that it has in the zip. Not compressed: what is large seldom can be, and
    the host has others to serve. Raises StaleETag where a file changes meanwhile, which ends it."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w") as archive:
        async for name, blob in files:
            moment = blob.last_modified.timetuple()[:6]
            info = zipfile.ZipInfo(name, max(moment, (1980, 1, 1, 0, 0, 0)))
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=blob.size >= 2**31) as entry:
                async for piece in blobs.read(container, blob.name, etag=blob.etag):
                    # Summing up a large piece takes its time.
                    await asyncio.to_thread(entry.write, piece)
                    if sink.size >= _STEP:
                        yield sink.take()
    yield sink.take()
