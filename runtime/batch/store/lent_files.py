"""Files that the host lends: by path on this machine, else by a signed URL, whole or in part."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast
from urllib.parse import unquote, urlsplit

from . import loans, web

_WEB = ("https", "http")
_PIECE = 1 << 20
_TRIES = 4
"""At a store that cannot answer now, or whose answer breaks off."""

_T = TypeVar("_T")


class NotLent(Exception):
    """The file, or what was asked of it, is not to be had; the message says why, and never
    the URL, whose query is a signature. `status` is the store's own answer, if it gave one."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class LentAnother(NotLent):
    """What is there does not have the ETag that was asked for. `how`: was it changed, or
    removed; a store need not tell."""

    def __init__(self, how: str, status: int) -> None:
        super().__init__(f"was {how}", status)
        self.how = how


def local_path(url: str) -> str | None:
    """Where the file of a `file:` URL is; None for any other URL."""
    if not url.startswith("file:///"):
        return None
    path = url[len("file://") :]
    # Its special characters are quoted, so that nothing but a path can follow.
    return unquote(path) if "%" in path else path


class LentFile:
    """`path` is where it is on this machine; None for one that is not here. One from the web is
    read only while it has the ETag `etag`, if there is one; a URL that has run out is given so
    many seconds to be renewed, and a store that nobody answers at to come back. One that is busy,
    or breaks off, is asked a few times more, where there are seconds for that."""

    def __init__(self, url: str, etag: str = "", patience: float = loans.WAIT) -> None:
        self.path = local_path(url)
        if self.path is None and (scheme := urlsplit(url).scheme) not in _WEB:
            raise NotLent(f"cannot be read from a {scheme!r} URL")
        self._url = url
        self._etag = etag
        self._patience = patience

    def copy(self, target: BinaryIO, offset: int = 0, length: int | None = None) -> None:
        """Append the file, or that many bytes of it, to `target`. Raises NotLent, also for
        fewer bytes than there should be."""
        try:
            copied = _copy_local(self.path, target, offset, length) if self.path else None
            if copied is None:
                copied = self._download(target, offset, length)
        except (OSError, ValueError) as error:  # URLError and time-outs are OSErrors
            self._tell_another(error)
            raise NotLent(f"could not be {self._had}: {error}", _status(error)) from None
        if length is not None and copied != length:
            raise NotLent(f"could not be {self._had}: it ended after {copied} of {length} bytes")

    def open(self) -> BinaryIO:
        """For reading here and there. Raises NotLent, later OSError."""
        try:
            if self.path:
                return open(self.path, "rb")
            file = _WebFile(self._ask, self._whole)
            return cast(BinaryIO, io.BufferedReader(file, _PIECE))
        except (OSError, ValueError) as error:
            self._tell_another(error)
            raise NotLent(f"could not be {self._had}: {error}", _status(error)) from None

    def _tell_another(self, error: Exception) -> None:
        status = _status(error)
        how = {404: "removed", 412: "changed or removed"}.get(status)
        if self._etag and how:
            raise LentAnother(how, status) from None

    def _ask(self, offset: int, length: int | None) -> web.Answer:
        """The store's answer to a request for that part of the file; without a length, for all
        of it. Raises OSError."""
        headers = {"If-Match": self._etag} if self._etag else {}
        if length is not None:
            headers["Range"] = f"bytes={offset}-{offset + length - 1}"
        url, tries = loans.current(self._url), 0
        while True:
            try:
                return web.ask("GET", url, headers, patience=self._patience)
            except web.Refused as refused:
                tries += 1
                fresh = None
                if refused.code in loans.REFUSED:
                    fresh = loans.after(url, self._patience)
                if fresh is None and not (refused.may_pass and self._is_asked_again(tries)):
                    raise
                url = fresh or url

    def _whole(self, take: Callable[[], _T]) -> _T:
        """What `take` gives; anew where an answer broke off. Raises OSError."""
        tries = 0
        while True:
            try:
                return take()
            except web.BrokenOff:
                tries += 1
                if not self._is_asked_again(tries):
                    raise

    def _is_asked_again(self, tries: int) -> bool:
        """After so many: then a pause has passed."""
        pause = 0.1 * 2**tries
        if tries >= _TRIES or pause > self._patience:
            return False
        time.sleep(pause)
        return True

    @property
    def _had(self) -> str:
        return "read" if self.path else "downloaded"

    def _download(self, target: BinaryIO, offset: int, length: int | None) -> int:
        """How many bytes came."""
        before = target.tell()

        def take() -> int:
            if target.tell() != before:
                target.seek(before)
                target.truncate()
            return self._taken(target, offset, length)

        return self._whole(take)

    def _taken(self, target: BinaryIO, offset: int, length: int | None) -> int:
        import shutil

        before = target.tell()
        with self._ask(offset, length) as reply:
            if length is not None and reply.status != 206:
                raise ValueError(f"the store answered {reply.status} to a request for a part")
            told = reply.headers.get("Content-Length", "")
            shutil.copyfileobj(cast(BinaryIO, reply), target, _PIECE)
        copied = target.tell() - before
        if told.isdigit() and copied < int(told):
            raise web.BrokenOff(f"it ended after {copied} of {told} bytes")
        return copied


def _status(error: Exception) -> int:
    return int(getattr(error, "code", 0))


def _copy_local(path: str, target: BinaryIO, offset: int, length: int | None) -> int:
    with open(path, "rb") as file:
        file.seek(offset)
        copied = 0
        while piece := file.read(_PIECE if length is None else min(length - copied, _PIECE)):
            target.write(piece)
            copied += len(piece)
        return copied


class _WebFile(io.RawIOBase):
    """A file at a URL, each read a request for that range; `whole` asks anew where an answer
    breaks off."""

    def __init__(
        self,
        ask: Callable[[int, int], web.Answer],
        whole: Callable[[Callable[[], bytes]], bytes],
    ) -> None:
        self._ask = ask
        self._whole = whole
        self._at = 0
        with self._range(0, 1) as reply:
            self._size = int(reply.headers["Content-Range"].rpartition("/")[2])

    def _range(self, offset: int, length: int) -> web.Answer:
        reply = self._ask(offset, length)
        if reply.status != 206:
            reply.close()
            raise OSError(f"the store answered {reply.status} to a request for a part")
        return reply

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
        content = self._whole(lambda: self._read(length))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _read(self, length: int) -> bytes:
        with self._range(self._at, length) as reply:
            return reply.read()
