"""Files that the host lends: by path on this machine, else by a signed URL, whole or in part."""

from __future__ import annotations

import http.client
import io
import os
import shutil
import urllib.request
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

_SOCKET_TIMEOUT = 60.0
_WEB = ("https", "http")
_PIECE = 1 << 20


class NotLent(Exception):
    """The file, or what was asked of it, is not to be had; the message says why, and never
    the URL, whose query is a signature."""


class LentFile:
    """`path` is where it is on this machine; None for one that is not here."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "file" and parts.scheme not in _WEB:
            raise NotLent(f"cannot be read from a {parts.scheme!r} URL")
        self._url = url
        self.path = unquote(parts.path) if parts.scheme == "file" else None

    def copy(self, target: BinaryIO, offset: int = 0, length: int | None = None) -> None:
        """Append the file, or that many bytes of it, to `target`. Raises NotLent, also for
        fewer bytes than there should be."""
        try:
            copied = self._copy_local(target, offset, length) if self.path else None
            if copied is None:
                copied, length = self._download(target, offset, length)
        except (OSError, ValueError) as error:  # URLError and time-outs are OSErrors
            raise NotLent(f"could not be {self._had}: {error}") from None
        if length is not None and copied != length:
            raise NotLent(f"could not be {self._had}: it ended after {copied} of {length} bytes")

    def open(self) -> BinaryIO:
        """For reading here and there. Raises NotLent, later OSError."""
        try:
            if self.path:
                return open(self.path, "rb")
            return cast(BinaryIO, io.BufferedReader(_WebFile(self._url), _PIECE))
        except (OSError, ValueError) as error:
            raise NotLent(f"could not be {self._had}: {error}") from None

    @property
    def _had(self) -> str:
        return "read" if self.path else "downloaded"

    def _copy_local(self, target: BinaryIO, offset: int, length: int | None) -> int:
        assert self.path is not None
        with open(self.path, "rb") as file:
            file.seek(offset)
            if length is None:
                shutil.copyfileobj(file, target, _PIECE)
                return file.tell() - offset
            left = length
            while left and (piece := file.read(min(left, _PIECE))):
                target.write(piece)
                left -= len(piece)
            return length - left

    def _download(
        self, target: BinaryIO, offset: int, length: int | None
    ) -> tuple[int, int | None]:
        """How many bytes came, and how many should have."""
        before = target.tell()
        request = urllib.request.Request(self._url)
        if length is not None:
            request.add_header("Range", f"bytes={offset}-{offset + length - 1}")
        with urllib.request.urlopen(request, timeout=_SOCKET_TIMEOUT) as reply:
            if length is None:
                told = reply.headers.get("Content-Length", "")
                length = int(told) if told.isdigit() else None
            elif reply.status != 206:
                raise ValueError(f"the store answered {reply.status} to a request for a part")
            shutil.copyfileobj(reply, target, _PIECE)
        return target.tell() - before, length


class _WebFile(io.RawIOBase):
    """A file at a URL, each read a request for that range."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._at = 0
        with self._range(0, 1) as reply:
            self._size = int(reply.headers["Content-Range"].rpartition("/")[2])

    def _range(self, offset: int, length: int) -> http.client.HTTPResponse:
        request = urllib.request.Request(self._url)
        request.add_header("Range", f"bytes={offset}-{offset + length - 1}")
        reply = urllib.request.urlopen(request, timeout=_SOCKET_TIMEOUT)
        if reply.status != 206:
            reply.close()
            raise OSError(f"the store answered {reply.status} to a request for a part")
        return cast("http.client.HTTPResponse", reply)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        with self._range(self._at, length) as reply:
            content = reply.read()
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
