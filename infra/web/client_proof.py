"""How this installation proves to the issuer that it is the client it says it is."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientProof(Protocol):
    @abstractmethod
    async def fields(self) -> Mapping[str, str]:
        """What a request for tokens has besides. Raises Unavailable."""


class SecretProof(ClientProof):
    """A secret that both know; without one nothing: PKCE alone binds the code."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret

    async def fields(self) -> Mapping[str, str]:
        return {"client_secret": self._secret} if self._secret else {}


class AssertionProof(ClientProof):
    """A token of a managed identity, which the client names as a federated credential."""

    def __init__(self, assertion: Callable[[], Awaitable[str]]) -> None:
        self._assertion = assertion

    async def fields(self) -> Mapping[str, str]:
        return {
            "client_assertion_type": _ASSERTION,
            "client_assertion": await self._assertion(),
        }
