"""The Docker Engine's HTTP API, as far as it is used here (version 1.41, which every engine since
20.10 speaks, Podman's socket too)."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from domain.errors import Unavailable

_VERSION: Final = "v1.41"
_QUICK: Final = 30.0
_ITS_FAULT: Final = 500
_HEADER: Final = struct.Struct(">BxxxL")


class EngineRefusal(Exception):
    """The engine understood, and said no. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Engine:
    """`url` is `unix:///path` or `http://host:port`. Everything raises Unavailable while the engine
    cannot be asked, and EngineRefusal."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._base = "http://engine" if url.startswith("unix://") else url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._outages = 0

    @property
    def outages(self) -> int:
        """How often it could not be reached: its machine may have been started anew each time."""
        return self._outages

    async def get(self, path: str, **query: Any) -> Any:
        """An engine that fails at a question, as one does that begins or ends, cannot be asked."""
        try:
            return await self._call("GET", path, query, None)
        except EngineRefusal as refusal:
            if refusal.status < _ITS_FAULT:
                raise
            told = f"The container engine at {self._url} failed: {refusal.message}"
            raise Unavailable(told) from refusal

    async def post(
        self, path: str, body: Any = None, *, limit: float = _QUICK, **query: Any
    ) -> Any:
        """May take `limit` seconds."""
        return await self._call("POST", path, query, body, limit)

    async def delete(self, path: str, **query: Any) -> bool:
        """Whether it was there."""
        try:
            await self._call("DELETE", path, query, None)
        except EngineRefusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    async def find(self, path: str, **query: Any) -> Any:
        """None for what is not there."""
        try:
            return await self.get(path, **query)
        except EngineRefusal as refusal:
            if refusal.status == 404:
                return None
            raise

    async def text(self, path: str, /, **query: Any) -> bytes:
        async with self._asked("GET", path, query, None, _QUICK) as answer:
            return await answer.read()

    async def build(
        self, context: Path, opened: str | None, **query: Any
    ) -> AsyncIterator[Mapping[str, Any]]:
        """What the engine says of building from a tar, line by line, as long as that takes;
        `opened` is its header for registries that have to be opened."""
        headers = {"X-Registry-Config": opened} if opened is not None else {}
        with await asyncio.to_thread(context.open, "rb") as file:
            async with self._asked("POST", "build", query, file, None, headers) as answer:
                async for line in answer.content:
                    if line.strip():
                        yield json.loads(line)

    async def pull(self, name: str, opened: str | None) -> AsyncIterator[Mapping[str, Any]]:
        """What the engine says of getting an image, line by line; `opened` is its header for a
        registry that has to be opened."""
        image, _, digest = name.partition("@")
        tagged = ":" in image.rpartition("/")[2]
        query = {"fromImage": image, "tag": digest or ("" if tagged else "latest")}
        headers = {}
        if opened is not None:
            headers["X-Registry-Auth"] = opened
        async with self._asked("POST", "images/create", query, None, None, headers) as answer:
            async for line in answer.content:
                if line.strip():
                    yield json.loads(line)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, limit: float = _QUICK
    ) -> Any:
        async with self._asked(method, path, query, body, limit) as answer:
            content = await answer.read()
            is_json = answer.content_type == "application/json" and content.strip()
            return json.loads(content) if is_json else None

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Any,
        limit: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        given: dict[str, Any] = {"params": {n: _text(v) for n, v in query.items()}}
        given["headers"] = dict(headers or {})
        if isinstance(body, dict):
            given["json"] = body
        elif body is not None:
            given["data"] = body
            given["headers"]["Content-Type"] = "application/x-tar"
        try:
            async with (
                asyncio.timeout(limit),
                self._open().request(method, f"{self._base}/{_VERSION}/{path}", **given) as answer,
            ):
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                yield answer
        except TimeoutError as error:
            raise Unavailable(f"The container engine at {self._url} does not answer.") from error
        except (aiohttp.ClientError, OSError) as error:
            self._outages += 1
            raise Unavailable(f"No container engine at {self._url}: {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            is_socket = self._url.startswith("unix://")
            path = self._url.removeprefix("unix://")
            connector = aiohttp.UnixConnector(path, limit=32) if is_socket else None
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session


def _refusal(status: int, content: bytes) -> Exception:
    try:
        message = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace")
    return EngineRefusal(status, message.strip())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def printed(content: bytes) -> str:
    """A container's log, without the frames that the engine puts around what it printed."""
    lines: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(content):
        stream, size = _HEADER.unpack_from(content, at)
        if stream > 2:
            return content.decode(errors="replace")
        lines.append(content[at + _HEADER.size : at + _HEADER.size + size])
        at += _HEADER.size + size
    return b"".join(lines).decode(errors="replace")
