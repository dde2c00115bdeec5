"""What opens a registry: HTTP's Basic authentication, or the tokens that it names an issuer of.

https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import json
import re
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import aiohttp
import yarl

from domain.ports import Credentials

_PARAMETER: Final = re.compile(r'([A-Za-z]+)="([^"]*)"')
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_LIFE: Final = 60.0
"""Seconds for which a token is good whose issuer does not say."""
_EARLY: Final = 10.0
_MOST: Final = 2**20
"""Bytes of an issuer's answer."""


class AccessRefused(Exception):
    """No credential that is known here opens it; the text says why, and nothing secret."""


@runtime_checkable
class Login(Protocol):
    """Gives credentials that do not last."""

    @abstractmethod
    async def credentials(self, session: aiohttp.ClientSession) -> Credentials:
        """Those that hold now. Raises AccessRefused, and what aiohttp does."""

    @abstractmethod
    async def close(self) -> None: ...


@dataclass(frozen=True)
class _Token:
    header: str
    until: float


class RegistryAccess:
    """Of one registry. `plain`: it may be spoken to, and send for tokens, without TLS."""

    def __init__(self, credentials: Credentials | Login | None, *, plain: bool) -> None:
        self._login = credentials if isinstance(credentials, Login) else None
        self._credentials = None if isinstance(credentials, Login) else credentials
        self._plain = plain
        self._tokens: dict[str, _Token] = {}
        self._is_basic = False

    def header(self, scope: str) -> str | None:
        """What is known to open `scope` by now."""
        if self._is_basic:
            return self._basic
        token = self._tokens.get(scope)
        if token is None or time.monotonic() >= token.until:
            return None
        return token.header

    async def challenged(
        self, session: aiohttp.ClientSession, challenge: str, scope: str, refused: str | None
    ) -> None:
        """Learn what opens `scope` of a registry that answered 401 with `challenge`, after what was
        `refused`. Raises AccessRefused, and what aiohttp does."""
        kind, _, rest = challenge.partition(" ")
        said = dict(_PARAMETER.findall(rest))
        if kind.casefold() == "basic":
            if self._credentials is None or (refused is not None and refused == self._basic):
                raise AccessRefused("it does not take the credentials that are set for it")
            self._is_basic = True
        elif kind.casefold() == "bearer" and "realm" in said:
            if refused is not None and refused.startswith("Bearer"):
                self._tokens.pop(scope, None)
            self._tokens[scope] = await self._token(session, said, scope)
        else:
            raise AccessRefused(f"it asks for {kind[:40] or 'nothing'!r}, which is not known here")

    async def _token(
        self, session: aiohttp.ClientSession, said: Mapping[str, str], scope: str
    ) -> _Token:
        try:
            realm = yarl.URL(said["realm"])
        except ValueError:
            raise AccessRefused("it sends for tokens to no address") from None
        if realm.scheme != "https" and not self._plain:
            raise AccessRefused("it sends for tokens without TLS")
        query = {"scope": said.get("scope", scope)}
        if "service" in said:
            query["service"] = said["service"]
        if self._login is not None:
            self._credentials = await self._login.credentials(session)
        headers = {"Authorization": self._basic} if self._credentials is not None else {}
        async with session.get(
            realm.update_query(query), headers=headers, timeout=_TIMEOUT, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                raise AccessRefused(f"its issuer of tokens answers {answer.status}")
            body = await short_json(answer)
        token = body.get("token") or body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token.isprintable():
            raise AccessRefused("its issuer of tokens gives none")
        life = body.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) else _LIFE
        return _Token(f"Bearer {token}", time.monotonic() + max(seconds - _EARLY, seconds / 2))

    async def close(self) -> None:
        if self._login is not None:
            await self._login.close()

    @property
    def _basic(self) -> str:
        if self._credentials is None:
            return ""
        pair = f"{self._credentials.username}:{self._credentials.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


async def short_json(answer: aiohttp.ClientResponse) -> Any:
    """None for what is none."""
    text = bytearray()
    async for piece in answer.content.iter_chunked(2**16):
        text += piece
        if len(text) > _MOST:
            raise AccessRefused("its issuer of tokens says far too much")
    try:
        return json.loads(text)
    except ValueError:
        return None
