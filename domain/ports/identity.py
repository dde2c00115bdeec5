"""Who calls, and secrets at rest."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Principal:
    """Who calls: the token's subject and its roles (domain/ground/access.py), until the token
    expires (Unix seconds; None: not known, so that nothing may be remembered)."""

    id: str
    roles: frozenset[str]
    expires_at: float | None = None


class TokenVerifier(Protocol):
    """Bearer tokens (RFC 6750) from the one trusted issuer."""

    @abstractmethod
    async def verify(self, token: str) -> Principal:
        """Check signature, issuer, audience and expiry. Raises Unauthenticated."""


class Cipher(Protocol):
    """Secrets at rest."""

    @abstractmethod
    def encrypt(self, plain: str) -> str: ...

    @abstractmethod
    def decrypt(self, sealed: str) -> str:
        """Raises Invalid for what this cipher did not seal."""
