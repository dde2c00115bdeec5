"""Whether a client is still what it was when it was given a token."""

from abc import abstractmethod
from typing import Protocol


class ClientStanding(Protocol):
    """Of the clients of one issuer; of one that does not say, every client stands."""

    @property
    @abstractmethod
    def epoch(self) -> int:
        """Another within two seconds after any client was changed or removed."""

    @abstractmethod
    async def holds(self, subject: str, version: str) -> bool:
        """`version` '' is of a token that says none: then it holds as long as the client is
        there. Raises Unavailable while it cannot be told."""


class UnsaidStanding(ClientStanding):
    """For an issuer whose tokens end by their time alone."""

    @property
    def epoch(self) -> int:
        return 0

    async def holds(self, subject: str, version: str) -> bool:
        return True
