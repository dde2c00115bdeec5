"""Calls of Azure Resource Manager: tokens, tries, its limits, and what went wrong."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import yarl

from domain.errors import Unavailable
from infra.compute.container_apps.arm.arm_budget import ArmBudget, Kind

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_log = logging.getLogger(__name__)

VERSION: Final = "2026-01-01"
"""Of Microsoft.App's API."""
_TRIES: Final = 4
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 20.0
"""Seconds; whoever is told to wait longer is told so."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=10)
_MOST: Final = 32 * 2**20
_EARLY: Final = 120.0
_TOGETHER: Final = 16
_PAGES: Final = 2000
"""Of a list: more than there can be apps for."""


class ArmRefusal(Exception):
    """It understood, and said no. `status` is HTTP's, `code` its own."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Answer:
    """`operation` is where an operation that has only begun tells how it goes."""

    status: int
    body: Any
    operation: str | None = None


@dataclass
class _Token:
    text: str = field(default="", repr=False)
    expires: float = 0.0


class ArmCalls:
    """`url` is `https://management.azure.com`, or another cloud's. Everything raises Unavailable
    while it cannot be asked, after several tries, and ArmRefusal. A call that may have arrived is
    made again: but for what is told otherwise, every one means the same the second time."""

    def __init__(self, url: str, credential: "AsyncTokenCredential", budget: ArmBudget) -> None:
        self._url = yarl.URL(url)
        self._credential = credential
        self._budget = budget
        self._token = _Token()
        self._turn = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> Any:
        return (await self.ask("GET", path)).body

    async def find(self, path: str) -> Any:
        """None for what is not there."""
        try:
            return await self.get(path)
        except ArmRefusal as refusal:
            if refusal.status == 404:
                return None
            raise

    async def all(self, path: str) -> list[Any]:
        """A list to its end."""
        found: list[Any] = []
        at = path
        seen: set[str] = set()
        while at not in seen and len(seen) < _PAGES:
            seen.add(at)
            page = await self.get(at)
            if not isinstance(page, dict) or not isinstance(page.get("value", []), list):
                raise ArmRefusal(200, "NoList", "An answer that should be a list is none.")
            found += [each for each in page.get("value", []) if isinstance(each, dict)]
            at = str(page.get("nextLink") or "")
            if not at:
                return found
        raise ArmRefusal(200, "EndlessList", "A list comes to no end.")

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        tries: int = _TRIES,
    ) -> Answer:
        """`path` begins with a slash, or is a link of an answer. What means something else the
        second time has one of `tries`."""
        url = self._at(path)
        kind = Kind.READ if method == "GET" else Kind.WRITE
        wait, left, has_renewed = _FIRST_WAIT, tries, False
        while True:
            left -= 1
            if self._budget.held(kind) > _LONGEST_WAIT:
                raise self._away("it asks to be left alone", self._budget.held(kind))
            await self._budget.take(kind)
            try:
                answer = await self._once(method, url, body, headers or {})
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                if left <= 0:
                    raise self._away(str(error) or type(error).__name__) from error
            else:
                refusal = _refusal(answer)
                if refusal is None:
                    return answer.answer
                if answer.status == 401 and not has_renewed:
                    has_renewed, self._token, left = True, _Token(), left + 1
                    continue
                if answer.status != 429 and answer.status < 500:
                    raise refusal
                asked = answer.retry_after
                if asked:
                    self._budget.hold(kind, asked)
                if left <= 0 or asked > _LONGEST_WAIT:
                    raise self._away(str(refusal), asked) from refusal
                wait = max(wait, asked)
            await asyncio.sleep(min(wait, _LONGEST_WAIT))
            wait *= 2

    async def text(self, url: str, token: str) -> str:
        """What a log's stream says up to now, opened by a token of its own."""
        if yarl.URL(url).scheme not in ("https", self._url.scheme):
            raise ArmRefusal(0, "ForeignLink", "A log's stream is without TLS.")
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._open().get(url, headers=headers, timeout=_TIMEOUT) as answer:
                content = await answer.content.read(2**20)
                if answer.status != 200:
                    told = content.decode(errors="replace")[:300]
                    raise ArmRefusal(answer.status, "LogStream", told)
                pieces = [content]
                async for piece in answer.content.iter_chunked(2**16):
                    pieces.append(piece)
                    if sum(map(len, pieces)) > _MOST:
                        break
                return b"".join(pieces).decode(errors="replace")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._away(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._credential.close()

    # -- inside

    def _at(self, path: str) -> yarl.URL:
        """Nobody but itself is shown the token, wherever a link leads."""
        url = self._url.join(yarl.URL(path, encoded=True))
        if url.origin() != self._url.origin():
            raise ArmRefusal(0, "ForeignLink", f"An answer leads to {url.origin()}.")
        return url if "api-version" in url.query else url.update_query({"api-version": VERSION})

    async def _once(
        self, method: str, url: yarl.URL, body: Any, headers: Mapping[str, str]
    ) -> "_Read":
        given = {**headers, "Authorization": f"Bearer {await self._bearer()}"}
        async with self._open().request(
            method, url, json=body, headers=given, timeout=_TIMEOUT, allow_redirects=False
        ) as answer:
            text = bytearray()
            async for piece in answer.content.iter_chunked(2**16):
                text += piece
                if len(text) > _MOST:
                    raise ArmRefusal(answer.status, "TooLong", "An answer is far too long.")
            return _Read(answer.status, bytes(text), dict(answer.headers))

    async def _bearer(self) -> str:
        async with self._turn:
            if time.time() >= self._token.expires - _EARLY:
                from azure.core.exceptions import AzureError

                scope = f"{self._url.origin()}/.default"
                try:
                    given = await self._credential.get_token(scope)
                except AzureError as error:
                    first = str(error).partition("\n")[0]
                    raise self._away(f"this host has no token for it: {first}") from error
                self._token = _Token(given.token, float(given.expires_on))
            return self._token.text

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=_TOGETHER)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    def _away(self, why: str, retry_after: float = 10.0) -> Unavailable:
        told = f"Azure Resource Manager at {self._url.host} does not answer: {why}"
        return Unavailable(told, retry_after=max(retry_after, 1.0))


@dataclass(frozen=True)
class _Read:
    status: int
    text: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        """None for none, or for what is no JSON."""
        try:
            return json.loads(self.text) if self.text.strip() else None
        except ValueError:
            return None

    @property
    def answer(self) -> Answer:
        told = {name.casefold(): value for name, value in self.headers.items()}
        operation = told.get("azure-asyncoperation") or told.get("location")
        return Answer(self.status, self.body, operation)

    @property
    def retry_after(self) -> float:
        told = {name.casefold(): value for name, value in self.headers.items()}
        try:
            return max(float(told.get("retry-after", 0)), 0.0)
        except ValueError:
            return 0.0


def _refusal(read: _Read) -> ArmRefusal | None:
    if read.status < 400 and (read.body is not None or not read.text.strip()):
        return None
    body = read.body if isinstance(read.body, dict) else {}
    return refusal_of(read.status, body, read.text.decode(errors="replace").strip()[:300])


def refusal_of(status: int, body: Mapping[str, Any], otherwise: str = "") -> ArmRefusal:
    """What an error in Azure's shape says, its details included."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    message = str(error.get("message") or otherwise or f"status {status}")
    details = error.get("details")
    for each in details if isinstance(details, list) else []:
        more = str(each.get("message") or "") if isinstance(each, dict) else ""
        if more and more not in message:
            message = f"{message} {more}"
    return ArmRefusal(status, str(error.get("code") or status), message)
