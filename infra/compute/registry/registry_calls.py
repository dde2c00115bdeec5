"""Calls of a registry's HTTP API: authentication, tries, time limits, and what went wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import yarl

from domain.errors import Unavailable
from domain.ports import Credentials
from infra.compute.registry.registry_access import AccessRefused, Login, RegistryAccess

TRIES: Final = 4
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 10.0
QUICK: Final = 30.0
"""Seconds that an answer may take."""
SLOW: Final = 300.0
"""Seconds that a piece of a layer may take, and a layer between two of its bytes."""
MOST: Final = 4 * 2**20
"""Bytes of a manifest, or of an image's configuration."""


class RegistryRefusal(Exception):
    """The registry understood, and said no; or what it said cannot be used. `status` is HTTP's, or
    0."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RegistryCalls:
    """`url` is `https://host[:port]`, or `http://` for one in a network of its own. Everything
    raises Unavailable while it cannot be asked, after several tries, and RegistryRefusal."""

    def __init__(self, url: str, credentials: Credentials | Login | None) -> None:
        self._url = yarl.URL(url)
        self._access = RegistryAccess(credentials, plain=self._url.scheme == "http")
        self._session: aiohttp.ClientSession | None = None

    @property
    def host(self) -> str:
        """As it stands in names of images."""
        return self._url.authority

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._access.close()

    @asynccontextmanager
    async def asked(
        self,
        method: str,
        url: yarl.URL,
        scope: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: float | None = QUICK,
        tries: int = TRIES,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, whatever its status is but 401, 429 and what is a fault of a server. One that
        breaks off while it is read is one that did not come."""
        answer = await self._answer(method, url, scope, body, headers or {}, limit, tries)
        try:
            yield answer
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self.away(error) from error
        finally:
            answer.release()

    async def _answer(
        self,
        method: str,
        url: yarl.URL,
        scope: str,
        body: bytes | None,
        headers: Mapping[str, str],
        limit: float | None,
        tries: int,
    ) -> aiohttp.ClientResponse:
        refused: str | None = None
        wait, left = _FIRST_WAIT, tries
        while True:
            left -= 1
            held = self._access.header(scope) if url.origin() == self._url.origin() else None
            given = {**headers, **({"Authorization": held} if held else {})}
            try:
                answer = await self._open().request(
                    method, url, data=body, headers=given, timeout=_timeout(limit)
                )
                if answer.status == 401:
                    await self._challenged(answer, scope, held, refused)
                    refused, left = held or "", left + 1
                    continue
                if answer.status != 429 and answer.status < 500:
                    return answer
                if left <= 0:
                    raise self.away(await _said(answer))
                wait = max(wait, _retry_after(answer))
                answer.release()
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                if left <= 0:
                    raise self.away(error) from error
            await asyncio.sleep(min(wait, _LONGEST_WAIT))
            wait *= 2

    async def _challenged(
        self, answer: aiohttp.ClientResponse, scope: str, held: str | None, refused: str | None
    ) -> None:
        challenge = answer.headers.get("WWW-Authenticate", "")
        told = await _said(answer)
        if refused is not None:  # with what it had asked for
            raise RegistryRefusal(401, f"{self.host} lets nobody in as is set: {told}")
        try:
            await self._access.challenged(self._open(), challenge, scope, held)
        except AccessRefused as error:
            raise RegistryRefusal(401, f"{self.host} cannot be opened: {error}.") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False, connector=aiohttp.TCPConnector(limit=8)
            )
        return self._session

    def at(self, repository: str, what: str, name: str) -> yarl.URL:
        return self._url.with_path(f"/v2/{repository}/{what}/{name}")

    def place(self, answer: aiohttp.ClientResponse) -> yarl.URL:
        """Where an upload goes on."""
        location = answer.headers.get("Location", "")
        if not location:
            raise RegistryRefusal(answer.status, f"{self.host} does not say where to upload to.")
        return self._url.join(yarl.URL(location, encoded=True))

    def away(self, why: object) -> Unavailable:
        told = str(why) or type(why).__name__
        return Unavailable(f"The registry {self.host} does not answer: {told}", retry_after=10.0)


def scope_of(repository: str, actions: str) -> str:
    return f"repository:{repository}:{actions}"


def _timeout(limit: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=limit, sock_connect=QUICK, sock_read=limit or SLOW)


async def check(answer: aiohttp.ClientResponse, *statuses: int) -> None:
    if answer.status not in statuses:
        raise RegistryRefusal(answer.status, await _said(answer))


async def short(answer: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    async for piece in answer.content.iter_chunked(2**16):
        text += piece
        if len(text) > MOST:
            raise RegistryRefusal(answer.status, "Its answer is far too long.")
    return bytes(text)


async def _said(answer: aiohttp.ClientResponse) -> str:
    """A refusal in the registry's own words."""
    text = await answer.content.read(2**16)
    answer.release()
    try:
        errors: Any = json.loads(text)["errors"]
        told = "; ".join(str(each.get("message") or each.get("code")) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        told = text.decode(errors="replace").strip()[:300]
    return f"{told or answer.reason} ({answer.status})"


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    try:
        return float(answer.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
