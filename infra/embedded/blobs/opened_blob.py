"""Reading one blob's file piece by piece."""

import os

from domain import errors
from infra.embedded.blobs.blob_drafts import etag_of
from infra.embedded.disk import Descriptor

_PIECE = 1024 * 1024


class OpenedBlob:
    """A blob as it was when it was opened: all of it, or the part that was selected."""

    def __init__(self, descriptor: int, found: os.stat_result) -> None:
        self._file = Descriptor(descriptor)
        self._etag = etag_of(found)
        self._size = found.st_size
        self._offset = 0
        self._end = found.st_size

    def select(self, offset: int, length: int | None) -> None:
        self._offset = offset
        self._end = self._size if length is None else min(self._size, offset + length)

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
