"""What a platform does for the remote compute: it has nodes up by groups, and shows them.

Everything else (which revisions run beside each other, who is ready, what has failed for good)
stands once, in this folder. A node runs the agent of docs/node-agent.md.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from domain.ports import Program
from infra.compute.gateway import Gateway
from infra.compute.ground.failure import StartFailure

Json = Mapping[str, Any]


@dataclass(frozen=True)
class NodeGroup:
    """Nodes that run the same. `name` is the group's own in the installation: lower-case letters,
    digits and `-`, at most 40. `spec` is the agent's, but for its files and its Python, which
    the fleet knows. `attempt` is another one when what has failed is to be tried anew. A node has
    `drain` seconds for what is under way when it is to go."""

    name: str
    key: str
    program: Program
    spec: Json
    secret: str
    attempt: int = 0
    drain: float = 10.0


class NodeState(StrEnum):
    COMING = "Coming"
    """The platform is at it."""
    RUNNING = "Running"
    """Its agent has been started: whether it is ready is asked of it."""
    LEAVING = "Leaving"
    """It was told to go."""
    ENDED = "Ended"
    """Another takes its place, unless that is hopeless."""


@dataclass(frozen=True)
class Node:
    """One life of one of a group's nodes, which are numbered from 0: what takes its place has
    the number and another `id`. `address` is `host:port`, from where it runs on. `attempt` is the
    group's when it was made. Where it has ended or cannot come, `code` and `reason` say why; one
    that is `hopeless` is not replaced but at another attempt."""

    id: str
    group: str
    number: int
    state: NodeState
    address: str | None = None
    attempt: int = 0
    code: str | None = None
    reason: str | None = None
    hopeless: bool = False

    @property
    def is_up(self) -> bool:
        """Whether the platform has it running."""
        return self.state in (NodeState.RUNNING, NodeState.LEAVING)


@dataclass(frozen=True)
class Progress:
    """How far a group's image, or whatever its nodes start from, has come. A failure stays
    until the group comes with another `attempt`."""

    prepared: bool = False
    failure: StartFailure | None = None


class Fleet(Protocol):
    """One installation's nodes on one platform. Everything may be called by several hosts, at the
    same time and again: nothing is made twice. Nodes are found by labels that say the installation
    and the group; another installation's are neither shown nor touched. Every method raises
    Unavailable while the platform cannot be asked."""

    @abstractmethod
    async def apply(self, group: NodeGroup, count: int) -> Progress:
        """Work towards `count` nodes, numbered from 0; those beyond go, when nobody has been
        told of them for a while. A node that has ended is replaced, later each time. Waits for
        no image and no node."""

    @abstractmethod
    async def nodes(self) -> Sequence[Node]:
        """All that are there."""

    @abstractmethod
    async def replace(self, node: Node, reason: str) -> None:
        """End it at once: it does not answer. The next `apply` has another in its place."""

    @abstractmethod
    async def explain(self, node: Node) -> str | None:
        """What the platform knows of why processes of a node that runs have died, such as
        memory."""

    @abstractmethod
    async def logs(self, group: str, *, tail: int) -> str:
        """The last lines that the platform keeps of nodes that do not answer any more."""

    @abstractmethod
    async def story(self, group: str, program: Program, *, tail: int) -> str:
        """How what its nodes start from came about, whichever host was at it: as far as it has
        come."""

    @abstractmethod
    async def delete(self, group: str, *, linger: float, grace: float) -> bool:
        """Have none of the group: each goes on for `linger` seconds, then has `grace` for what is
        under way. True once nothing of it is left, but for what the platform will not take away
        and no process of which runs: that stays among `groups`, and is asked for again at each
        call. Call again until then."""

    @abstractmethod
    async def groups(self) -> Sequence[str]:
        """All of which something is left."""

    @abstractmethod
    async def networks(self) -> Sequence[Gateway]:
        """Those of this platform's own that nodes are in, as far as they are there."""

    @abstractmethod
    async def gateway(self) -> Gateway:
        """How nodes reach the machine that they run on; their network is made if need be."""

    @abstractmethod
    async def close(self) -> None:
        """Nodes go on."""
