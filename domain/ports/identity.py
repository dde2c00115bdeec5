"""Who calls, and secrets at rest."""

from abc import abstractmethod
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Principal:
    """Who calls: the token's subject and its roles (domain/ground/access.py), until the token
    expires (Unix seconds; None: not known, so that nothing may be remembered). `name` is what the
    issuer calls it, '' where it does not say."""

    id: str
    roles: frozenset[str]
    expires_at: float | None = None
    name: str = ""


class TokenVerifier(Protocol):
    """Bearer tokens (RFC 6750) from the one trusted issuer."""

    @abstractmethod
    async def verify(self, token: str) -> Principal:
        """Check signature, issuer, audience and expiry. Raises Unauthenticated."""


class CallerAddresses(Protocol):
    """By what address a caller is known, where proxies stand between."""

    @property
    @abstractmethod
    def has_proxies(self) -> bool:
        """Whether any proxy is believed; without one there is nothing to settle."""

    @abstractmethod
    def settle(self, scope: MutableMapping[str, Any]) -> None:
        """Make `client`, `scheme` and the Host of an ASGI scope the caller's own, where a trusted
        proxy says what they are; `origin` in its `state` is then the address that the caller used,
        if the proxy says. Settling twice changes nothing more."""


class Cipher(Protocol):
    """Secrets at rest."""

    @abstractmethod
    def encrypt(self, plain: str) -> str: ...

    @abstractmethod
    def decrypt(self, sealed: str) -> str:
        """Raises Invalid for what this cipher did not seal."""
