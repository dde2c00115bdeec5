"""What processes of a deployment are given, to be somebody to others."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from domain.ports import Program


@dataclass(frozen=True)
class Lent:
    """Environment variables, over which a deployment's own go, and the files that they name."""

    variables: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LentToken:
    """A token that may be asked for at a node: by the `resource` that it is for, and by any of
    `names` of its identity; without a name where it `is_usual`."""

    resource: str
    names: Mapping[str, str]
    is_usual: bool
    token: str = field(repr=False)
    expires_at: int

    def to_json(self) -> dict[str, Any]:
        return {
            "resource": self.resource,
            "names": dict(self.names),
            "usual": self.is_usual,
            "token": self.token,
            "expires_at": self.expires_at,
        }


def holder_of(program: Program) -> str | None:
    """Whose identities its scripts may be; None: nobody's."""
    return program.identity.holder if program.identity is not None else None


class IdentityLending(Protocol):
    """`holder` is whose identities a program may be."""

    @property
    @abstractmethod
    def lends(self) -> bool:
        """Whether tokens are given here. Else programs are who their platform makes them."""

    @abstractmethod
    async def lent(self, holder: str | None, owner: str) -> Lent:
        """For processes on this machine of the workload `owner`: how they ask for tokens."""

    @abstractmethod
    async def of_nodes(self, holder: str) -> Mapping[str, Any]:
        """What the agent of a node that is elsewhere is told (docs/node-agent.md, `identity`)."""

    @abstractmethod
    async def tokens(self, holder: str) -> Sequence[LentToken]:
        """All that `holder` may ask for now, for a node that is elsewhere."""


class NothingLent(IdentityLending):
    """Where programs are nobody."""

    @property
    def lends(self) -> bool:
        return False

    async def of_nodes(self, holder: str) -> Mapping[str, Any]:
        return {}

    async def lent(self, holder: str | None, owner: str) -> Lent:
        return Lent()

    async def tokens(self, holder: str) -> Sequence[LentToken]:
        return ()
