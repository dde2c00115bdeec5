"""Which roles a token that is good gives."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

Claims = Mapping[str, Any]


class TokenRights(Protocol):
    @abstractmethod
    async def roles(self, claims: Claims) -> frozenset[str]:
        """Of whom a verified token is. Raises Unavailable while it cannot be told."""


class ClaimedRoles(TokenRights):
    """What the token says: of an issuer whose roles are this installation's, whatever the
    audience."""

    async def roles(self, claims: Claims) -> frozenset[str]:
        return claimed(claims, "roles")


def claimed(claims: Claims, name: str) -> frozenset[str]:
    """A claim that is a list of texts; nothing of what is none."""
    told = claims.get(name, [])
    entries = told if isinstance(told, list) else []
    return frozenset(entry for entry in entries if isinstance(entry, str))
