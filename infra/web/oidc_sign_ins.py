"""OpenID Connect's authorization code with PKCE, on the server: the code and the client's secret
are never in a page."""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode, urlsplit

import jwt

from domain.errors import DomainError, Unauthenticated, Unavailable
from domain.ports import (
    Cipher,
    SignedIn,
    SignInAnswer,
    SignInBegun,
    SignIns,
    TokenVerifier,
)
from infra.web.client_proof import ClientProof

if TYPE_CHECKING:
    import aiohttp

_PURPOSE = "studio-sign-in"
_TIME = 600.0
"""Seconds that somebody may take to sign in."""
_WAIT = 10.0
_ANSWER_LIMIT = 1 << 20
_DISCOVERED_FOR = 3600.0


@dataclass(frozen=True)
class OidcClient:
    """What the issuer knows this installation as, and what its tokens are asked for."""

    issuer: str
    client_id: str
    scope: str
    proof: ClientProof


@dataclass(frozen=True)
class _Discovered:
    authorization: str
    token: str
    at: float


class OidcSignIns(SignIns):
    """`cipher` seals what the browser keeps meanwhile; a token counts only if `verifier`
    takes it."""

    def __init__(self, client: OidcClient, cipher: Cipher, verifier: TokenVerifier) -> None:
        self._client = client
        self._cipher = cipher
        self._verifier = verifier
        self._discovered: _Discovered | None = None
        self._discovering = asyncio.Lock()

    async def begin(self, back: str) -> SignInBegun:
        found = await self._discover()
        state, nonce, proof = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(proof.encode()).digest()
        query = {
            "response_type": "code",
            "response_mode": "query",
            "client_id": self._client.client_id,
            "redirect_uri": back,
            "scope": self._client.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        kept = {
            "for": _PURPOSE,
            "state": state,
            "nonce": nonce,
            "proof": proof,
            "until": time.time() + _TIME,
        }
        joint = "&" if urlsplit(found.authorization).query else "?"
        return SignInBegun(
            f"{found.authorization}{joint}{urlencode(query)}",
            self._cipher.encrypt(json.dumps(kept)),
        )

    async def finish(self, kept: str, back: str, answer: SignInAnswer) -> SignedIn:
        known = self._opened(kept)
        if not secrets.compare_digest(known["state"].encode(), answer.state.encode()):
            _refuse("This answer is to another sign-in than the one that this browser began.")
        if answer.error or not answer.code:
            _refuse(f"The issuer did not sign you in: {answer.error or 'it gave no code'}.")
        if answer.issuer and answer.issuer != self._client.issuer:
            _refuse("This answer is another issuer's.")
        found = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client.client_id,
            "code": answer.code,
            "redirect_uri": back,
            "code_verifier": known["proof"],
            **await self._client.proof.fields(),
        }
        told = await self._asked("POST", found.token, form)
        self._check_identity(told, known["nonce"])
        token = told.get("access_token")
        if not isinstance(token, str):
            reason = told.get("error_description") or told.get("error") or "it gave no token"
            _refuse(f"The issuer did not sign you in: {str(reason)[:300]}")
        principal = await self._verifier.verify(token)
        return SignedIn(token, principal.expires_at or time.time() + _TIME)

    def _opened(self, kept: str) -> Mapping[str, str]:
        try:
            known = json.loads(self._cipher.decrypt(kept))
            good = known["for"] == _PURPOSE and time.time() < known["until"]
        except (DomainError, ValueError, KeyError, TypeError):
            _refuse("This browser began no sign-in here. Begin again.")
        if not good:
            _refuse("Signing in took too long. Begin again.")
        return {name: known[name] for name in ("state", "nonce", "proof")}

    def _check_identity(self, told: Mapping[str, Any], nonce: str) -> None:
        """That the ID token is for this sign-in. It came from the issuer itself, over TLS, so its
        signature says nothing more (OpenID Connect Core 3.1.3.7)."""
        token = told.get("id_token")
        if not isinstance(token, str):
            return
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            _refuse("The issuer's ID token is none.")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("nonce") != nonce or self._client.client_id not in audiences:
            _refuse("The issuer's ID token is for another sign-in.")

    async def _discover(self) -> _Discovered:
        async with self._discovering:
            known, now = self._discovered, time.monotonic()
            if known is not None and now - known.at < _DISCOVERED_FOR:
                return known
            issuer = self._client.issuer
            url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            told = await self._asked("GET", url, None)
            if told.get("issuer") != issuer:
                raise Unavailable(f"What {url} says is of another issuer.")
            places = told.get("authorization_endpoint"), told.get("token_endpoint")
            authorization, token = (_place(each) for each in places)
            self._discovered = known = _Discovered(authorization, token, now)
            return known

    async def _asked(
        self, method: str, url: str, form: Mapping[str, str] | None
    ) -> Mapping[str, Any]:
        import aiohttp  # not with the module: it takes long, and most hosts sign nobody in

        _place(url)
        limit = aiohttp.ClientTimeout(total=_WAIT)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.request(method, url, data=form, allow_redirects=False) as answer,
            ):
                told = json.loads(await _bounded(answer))
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            raise Unavailable(f"The issuer did not answer: {error}", retry_after=5) from error
        if not isinstance(told, dict):
            raise Unavailable("The issuer's answer is not understood.", retry_after=5)
        return told


async def _bounded(answer: "aiohttp.ClientResponse") -> bytes:
    """Raises ValueError for a body that is too large."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _ANSWER_LIMIT:
            raise ValueError("the answer is larger than 1 MiB")
    return bytes(body)


def _place(told: object) -> str:
    """An address that tokens may be asked at. Raises Unavailable."""
    parts = urlsplit(told) if isinstance(told, str) else None
    if parts is None or not parts.hostname:
        raise Unavailable("The issuer does not say where one signs in.")
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise Unavailable("People sign in over https only.")
    return str(told)


def _refuse(why: str) -> NoReturn:
    raise Unauthenticated(why, code="SignInFailed")
