"""Web files by HTTP, as a careful client of hostile addresses."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from domain.ports import WebFileRefused, WebFiles, WebFileUnavailable
from infra.web.outbound import AddressRefused, OutboundAddresses, refusal

if TYPE_CHECKING:
    import aiohttp
    import yarl

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 5
_CONNECT_WAIT: Final = 15.0
_READ_WAIT: Final = 60.0
_PIECE: Final = 2**20
_LONGEST: Final = 4096
_PASSING: Final = (408, 425, 429)
# A file is taken as it is: what was compressed for the way could be of any size.
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "ml-endpoints"}


class PublicWebFiles(WebFiles):
    """`max_bytes` bound a file, `max_time` (seconds) one read of it, redirects included."""

    def __init__(self, addresses: OutboundAddresses, *, max_bytes: int, max_time: float) -> None:
        self._addresses = addresses
        self._max_bytes = max_bytes
        self._max_time = max_time

    def fault(self, url: str) -> str | None:
        try:
            self._parsed(url)
        except WebFileRefused as refused:
            return refused.message
        return None

    async def read(self, url: str) -> AsyncIterator[bytes]:
        ends = asyncio.get_running_loop().time() + self._max_time
        pieces = self._pieces(url)
        try:
            while True:
                # Around each step alone: the consumer's own time is not ours to limit.
                async with asyncio.timeout_at(ends):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece
        except TimeoutError:
            raise WebFileRefused(
                f"'{_shown(url)}' did not come whole within {self._max_time:g} seconds."
            ) from None
        finally:
            await pieces.aclose()

    async def _pieces(self, url: str) -> AsyncGenerator[bytes, None]:
        import aiohttp  # not with the module: it takes long, and few jobs read the web

        target = self._parsed(url)
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                async with (
                    self._session(target) as session,
                    session.get(target, allow_redirects=False) as answer,
                ):
                    if answer.status not in _REDIRECTS:
                        async for piece in self._content(answer, _shown(url)):
                            yield piece
                        return
                    location = answer.headers.get("Location", "")
                target = self._redirected(target, location)
        except (aiohttp.ClientError, OSError) as error:
            if refused := refusal(error):
                raise WebFileRefused(_refused(url, refused)) from None
            why = type(error).__name__
            raise WebFileUnavailable(f"'{_shown(url)}' could not be read ({why}).") from error
        raise WebFileRefused(f"'{_shown(url)}' redirects more than {_MOST_REDIRECTS} times.")

    def _session(self, target: "yarl.URL") -> "aiohttp.ClientSession":
        import aiohttp

        socket = partial(self._addresses.socket, plain=target.scheme == "http")
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=socket, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_WAIT, sock_read=_READ_WAIT),
            auto_decompress=False,
            headers=_HEADERS,
        )

    async def _content(self, answer: "aiohttp.ClientResponse", shown: str) -> AsyncIterator[bytes]:
        if answer.status >= 500 or answer.status in _PASSING:
            raise WebFileUnavailable(f"'{shown}' answered {answer.status}.")
        if answer.status != 200:
            raise WebFileRefused(f"'{shown}' cannot be read: it answered {answer.status}.")
        if answer.headers.get("Content-Encoding", "identity").casefold() != "identity":
            raise WebFileRefused(f"'{shown}' cannot be read: it comes only compressed.")
        size = answer.content_length or 0
        async for piece in answer.content.iter_chunked(_PIECE):
            size = max(size, answer.content.total_bytes)
            if size > self._max_bytes:
                raise WebFileRefused(
                    f"'{shown}' is larger than the {self._max_bytes} bytes that a job takes from "
                    "a web address. Upload it to a datastore instead."
                )
            yield piece

    def _redirected(self, source: "yarl.URL", location: str) -> "yarl.URL":
        import yarl

        try:
            target = source.join(yarl.URL(location))
        except ValueError:
            raise WebFileRefused(f"'{_shown(str(source))}' redirects to no address.") from None
        if source.scheme == "https" and target.scheme == "http":
            raise WebFileRefused(f"'{_shown(str(source))}' redirects from https to plain http.")
        return self._parsed(str(target))

    def _parsed(self, url: str) -> "yarl.URL":
        """Raises WebFileRefused for what its text alone forbids."""
        try:
            return self._addresses.parsed(url, longest=_LONGEST)
        except AddressRefused as refused:
            raise WebFileRefused(_refused(url, refused)) from None


def _refused(url: str, why: AddressRefused) -> str:
    return f"'{_shown(url)}' is not read: {why}"


def _shown(url: str) -> str:
    """Without what may be secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "(a URL that cannot be read)"
    return f"{parts.scheme}://{host}{port}{parts.path}"[:200]
