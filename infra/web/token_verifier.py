"""Bearer tokens checked against the one trusted issuer's published keys."""

import asyncio
import http.client
import json
import logging
import time
import urllib.request
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt

from domain.errors import Unauthenticated, Unavailable
from domain.ports import Principal, TokenVerifier
from infra.web.client_standing import ClientStanding
from infra.web.token_rights import TokenRights

_log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256")
_LEEWAY = 30
_FETCH_TIMEOUT = 10.0
_JWKS_LIMIT = 1 << 20
_LONGEST_NAME = 128
VERSION_CLAIM = "cv"
"""In which an embedded issuer says what state of a client a token was given to."""


class KeySource(Protocol):
    """Where an issuer's public keys come from."""

    @abstractmethod
    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id; None when the issuer has none. Raises Unavailable."""


class StaticKeys(KeySource):
    """A key set that this process knows anyway. `jwks` may read a file at first."""

    def __init__(self, jwks: Callable[[], Mapping[str, Any]]) -> None:
        self._jwks = jwks
        self._keys: dict[str, jwt.PyJWK] | None = None

    async def key(self, kid: str) -> jwt.PyJWK | None:
        if self._keys is None:
            self._keys = _usable_keys(await asyncio.to_thread(self._jwks))
        return self._keys.get(kid)


class PublishedKeys(KeySource):
    """The key set at `url`, kept for an hour. A key id not in it has it fetched again, but
    at most once a minute, so made-up ids cannot be used to hammer the issuer; while the
    issuer is away the keys known go on being used."""

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
        keep: float = 3600.0,
        pause: float = 60.0,
    ) -> None:
        self._url = url
        self._fetch = fetch or _fetch
        self._clock = clock
        self._keep = keep
        self._pause = pause
        self._keys: dict[str, jwt.PyJWK] | None = None
        self._tried_at: float | None = None
        self._fetched_at = 0.0
        self._fetching = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK | None:
        if self._wanting(kid):
            async with self._fetching:
                if self._wanting(kid):
                    await self._refresh()
        if self._keys is None:
            raise Unavailable("The token issuer's keys could not be fetched.", retry_after=5)
        return self._keys.get(kid)

    def _wanting(self, kid: str) -> bool:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < self._pause:
            return False
        stale = now - self._fetched_at >= self._keep
        return self._keys is None or kid not in self._keys or stale

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            content = await asyncio.to_thread(self._fetch, self._url)
            self._keys = _usable_keys(json.loads(content))
            self._fetched_at = self._clock()
        except (OSError, ValueError, http.client.HTTPException) as error:
            _log.warning("the token issuer's keys could not be fetched: %s", error)
            if self._keys is None:
                # Nothing is known yet: let the next caller try soon, not in a minute.
                self._tried_at -= max(0.0, self._pause - 2.0)


class JwtVerifier(TokenVerifier):
    """Accepts a token only if it is signed (RS256 or ES256, as its key says) by a key of the
    issuer's, names the issuer and the audience by one of their names, is within its time, and
    whoever was given it still stands as it did. `rights` say which roles it gives."""

    def __init__(
        self,
        issuers: tuple[str, ...],
        audiences: tuple[str, ...],
        keys: KeySource,
        standing: ClientStanding,
        rights: TokenRights,
    ) -> None:
        self._issuers = issuers
        self._audiences = audiences
        self._keys = keys
        self._standing = standing
        self._rights = rights

    @property
    def epoch(self) -> int:
        return self._standing.epoch

    async def holds(self, subject: str, version: str) -> bool:
        return await self._standing.holds(subject, version)

    async def verify(self, token: str) -> Principal:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise Unauthenticated("The bearer token is not a JSON Web Token.") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(kid, str):
            raise Unauthenticated("The bearer token is not signed in a way accepted here.")
        key = await self._keys.key(kid)
        # The key, not the token, decides the algorithm: a token may not choose its own check.
        if key is None or key.algorithm_name != algorithm:
            raise Unauthenticated("The bearer token is signed with a key unknown here.")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audiences,
                issuer=self._issuers,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The bearer token has expired.", code="ExpiredToken") from None
        except jwt.InvalidAudienceError:
            raise Unauthenticated(
                f"The bearer token is for another audience: ask for one for {self._audiences[0]}."
            ) from None
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(f"The bearer token is not valid: {error}.") from None
        subject = claims.get("oid") or claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthenticated("The bearer token names no subject.")
        name = claims.get("name") or claims.get("app_displayname")
        called = name[:_LONGEST_NAME] if isinstance(name, str) else ""
        version = claims.get(VERSION_CLAIM, "")
        if not await self._standing.holds(subject, str(version)):
            raise Unauthenticated(
                "The client that was given this token was changed or removed since. Ask for a "
                "new token.",
                code="RevokedToken",
            )
        roles = await self._rights.roles(claims)
        return Principal(subject, roles, float(claims["exp"]), called, str(version))


def _usable_keys(jwks: object) -> dict[str, jwt.PyJWK]:
    """The signing keys among `jwks`; those of kinds not accepted here are left out."""
    published = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(published, list):
        raise ValueError("the key set has no `keys`")
    keys: dict[str, jwt.PyJWK] = {}
    for entry in published:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue
        if isinstance(key.key_id, str) and key.algorithm_name in ALGORITHMS:
            keys[key.key_id] = key
    return keys


def _fetch(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("keys are fetched over https only")
    with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT) as response:
        content: bytes = response.read(_JWKS_LIMIT + 1)
    if len(content) > _JWKS_LIMIT:
        raise ValueError("the key set is larger than 1 MiB")
    return content
