"""What a build is given and what it prints: the registry's own blobs, by links that open them."""

import asyncio
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import aiohttp
import yarl

from domain.errors import Unavailable
from infra.compute.registry.layer_builds import Say

_QUICK: Final = aiohttp.ClientTimeout(total=60, sock_connect=10)
_SLOW: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)
_MOST: Final = 2**20
"""Bytes of a log that are read at once."""
_MODE: Final = 0o755


class RunFiles:
    """`plain`: links may be without TLS, as the platform is. Raises Unavailable."""

    def __init__(self, *, plain: bool) -> None:
        self._schemes = ("https", "http") if plain else ("https",)
        self._session: aiohttp.ClientSession | None = None

    async def upload(self, link: str, folder: Path) -> None:
        packing = packed(folder)
        file = await asyncio.to_thread(packing.__enter__)
        try:
            size = (await asyncio.to_thread(file.stat)).st_size
            headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(size)}
            with await asyncio.to_thread(file.open, "rb") as content:
                async with self._open().put(
                    self._checked(link), data=content, headers=headers, timeout=_SLOW
                ) as answer:
                    if answer.status != 201:
                        raise Unavailable(
                            f"The registry does not take a build's files: {answer.status}"
                        )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _away(error) from error
        finally:
            await asyncio.to_thread(packing.__exit__, None, None, None)

    async def read(self, link: str, at: int) -> bytes | None:
        """From the byte `at` on; b'' for nothing yet, and None where the link has run out."""
        headers = {"Range": f"bytes={at}-{at + _MOST - 1}"}
        try:
            async with self._open().get(
                self._checked(link), headers=headers, timeout=_QUICK
            ) as answer:
                if answer.status == 403:
                    return None
                if answer.status != 206:  # 404: not begun, 416: nothing new
                    return b""
                return await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _away(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _checked(self, link: str) -> yarl.URL:
        url = yarl.URL(link, encoded=True)
        if url.scheme not in self._schemes:
            raise Unavailable("A link to a build's files is without TLS.")
        return url

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


class RunLog:
    """What one build prints, line by line, from where it was read before."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._at = 0
        self._rest = b""

    async def read(self, link: str, say: Say) -> bool:
        """False where the link has run out."""
        while True:
            read = await self._files.read(link, self._at)
            if read is None:
                return False
            if not read:
                return True
            self._at += len(read)
            *lines, self._rest = (self._rest + read).split(b"\n")
            for line in lines:
                _tell(line, say)

    def end(self, say: Say) -> None:
        if self._rest:
            _tell(self._rest, say)
        self._rest = b""


@contextmanager
def packed(folder: Path) -> Iterator[Path]:
    """A folder with a Dockerfile in it, all of it, as the registry takes it."""
    with NamedTemporaryFile(prefix="ml-endpoints-", suffix=".tar.gz") as file:
        with tarfile.open(file.name, "w:gz", compresslevel=1) as tar:
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                entry.size, entry.mode = path.stat().st_size, _MODE
                with path.open("rb") as content:
                    tar.addfile(entry, content)
        yield Path(file.name)


def _tell(line: bytes, say: Say) -> None:
    text = line.decode(errors="replace").rstrip()
    if text:
        say(text)


def _away(error: Exception) -> Unavailable:
    """Without the link, which opens what it leads to."""
    return Unavailable(f"A build's files cannot be reached: {type(error).__name__}")
