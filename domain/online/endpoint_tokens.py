"""Tokens of an endpoint in aml_token mode, and the ring of keys that signs them.

A token is a JSON Web Token (RFC 7519, HS256). Its key belongs to one endpoint, so no other
endpoint's token can pass, whatever it claims. A new key stands in the ring for a while
before it signs, so that every gateway knows it by then; an old one stays until the last
token it may have signed has expired.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from domain.errors import Conflict
from domain.ports import Cipher, Principal
from domain.values import Value, unsaid

LEAD = timedelta(seconds=10)
"""How long a key is known before it signs: longer than any gateway uses a route unread."""
LONGEST_LIFETIME = timedelta(days=1)
MAX_KEYS = 16
MAX_TOKEN_BYTES = 8 * 1024

_ALGORITHM = "HS256"


@dataclass(frozen=True)
class TokenSettings:
    """`lifetime` is at most a day; a client should ask anew after `refresh_after`. The
    signing key is replaced when it has signed for `key_rotation`."""

    lifetime: timedelta
    refresh_after: timedelta
    key_rotation: timedelta


class EndpointToken(Value):
    """As Azure ML answers it; times are Unix seconds."""

    access_token: str
    expiry_time_utc: int
    refresh_after_time_utc: int
    token_type: str = "Bearer"


class TokenKey(Value):
    """`sealed` can be opened by the installation's cipher, whose key it was sealed with says
    `sealed_by`."""

    id: str
    sealed: str
    signs_from: datetime
    sealed_by: Annotated[str | None, unsaid(None)] = None


class TokenKeyRing(Value):
    """The keys of one endpoint, oldest first; never empty."""

    keys: tuple[TokenKey, ...]

    @classmethod
    def generate(cls, cipher: Cipher, now: datetime) -> Self:
        """A ring of one key, which signs at once."""
        return cls(keys=(_new_key(cipher, now),))

    def signer(self, now: datetime) -> TokenKey:
        """The newest key whose time has come."""
        ready = [key for key in self.keys if key.signs_from <= now]
        return ready[-1] if ready else self.keys[0]

    def rotated(self, cipher: Cipher, now: datetime) -> Self:
        """With a new key that signs soon, without those whose tokens have all expired.
        Raises Conflict when live tokens need more keys than a ring holds."""
        kept = [
            key
            for key, next_ in zip(self.keys, self.keys[1:], strict=False)
            if next_.signs_from + LONGEST_LIFETIME + LEAD > now
        ]
        if len(kept) + 2 > MAX_KEYS:
            raise Conflict(
                f"The signing key was replaced {MAX_KEYS} times within a day; tokens that "
                "older ones signed are still valid. Wait, or set authMode to Key and back, "
                "which ends every token."
            )
        return self.but(keys=(*kept, self.keys[-1], _new_key(cipher, now + LEAD)))

    def outworn(self, now: datetime, rotation: timedelta) -> bool:
        """Whether the newest key has signed long enough."""
        return now - self.keys[-1].signs_from >= rotation

    def open(self, cipher: Cipher) -> dict[str, bytes]:
        """The secrets by key id."""
        return {key.id: cipher.decrypt(key.sealed).encode() for key in self.keys}


def _new_key(cipher: Cipher, signs_from: datetime) -> TokenKey:
    return TokenKey(
        id=secrets.token_hex(8),
        sealed=cipher.encrypt(secrets.token_urlsafe(32)),
        signs_from=signs_from,
        sealed_by=cipher.key_id,
    )


def issue(
    ring: TokenKeyRing,
    cipher: Cipher,
    *,
    endpoint: str,
    caller: Principal,
    now: datetime,
    settings: TokenSettings,
) -> EndpointToken:
    key = ring.signer(now)
    issued = int(now.timestamp())
    expires = issued + int(settings.lifetime.total_seconds())
    claims = {
        "aud": _audience(endpoint),
        "sub": caller.id,
        "iat": issued,
        "exp": expires,
        "jti": secrets.token_hex(8),
    }
    if caller.version:
        claims["cv"] = caller.version
    header = {"alg": _ALGORITHM, "kid": key.id, "typ": "JWT"}
    signed = f"{_encoded(header)}.{_encoded(claims)}".encode()
    signature = _signature(signed, cipher.decrypt(key.sealed).encode())
    return EndpointToken(
        access_token=f"{signed.decode()}.{_text(signature)}",
        expiry_time_utc=expires,
        refresh_after_time_utc=issued + int(settings.refresh_after.total_seconds()),
    )


@dataclass(frozen=True)
class Verified:
    """A token that an endpoint's key has signed; it may have expired (Unix seconds). `caller` is
    whom it was given to, and `version` the state that this client was in."""

    key_id: str
    expires_at: float
    caller: str
    version: str


_NOBODY = secrets.token_bytes(32)


def verify(token: bytes, endpoint: str, keys: Mapping[str, bytes]) -> Verified | None:
    """None unless one of `keys` signed `token` for `endpoint`. Whether the key is unknown
    or the signature wrong takes the same time."""
    if len(token) > MAX_TOKEN_BYTES:
        return None
    signed, _, given = token.rpartition(b".")
    header, dot, payload = signed.partition(b".")
    if not dot:
        return None
    said = _decoded(header)
    key_id = str(said.get("kid"))
    right = hmac.compare_digest(_signature(signed, keys.get(key_id, _NOBODY)), _bytes(given))
    if not right or key_id not in keys or said.get("alg") != _ALGORITHM:
        return None
    claims = _decoded(payload)
    expires = claims.get("exp")
    if claims.get("aud") != _audience(endpoint) or not isinstance(expires, int):
        return None
    caller, version = str(claims.get("sub", "")), str(claims.get("cv", ""))
    return Verified(key_id, float(expires), caller, version)


def _audience(endpoint: str) -> str:
    return f"onlineEndpoints/{endpoint.casefold()}"


def _signature(signed: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).digest()


def _encoded(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: bytes) -> bytes:
    """What `text` encodes; nothing for what is not base64url."""
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _decoded(text: bytes) -> dict[str, Any]:
    """A part of a token; nothing for what is no JSON object."""
    try:
        value = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
