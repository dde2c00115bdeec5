"""One kind of wishes, whose nodes the keeper looks after: deployments that serve, or workers."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from infra.compute.remote.fleet import Node
from infra.compute.remote.keeping.node_meter import NodeUse
from infra.compute.remote.node_watches import FollowedNode


@dataclass(frozen=True)
class Followed:
    """Nodes to be asked how they do; of `ready` is known, with their lives,
    that they were ready when another host decided."""

    nodes: Sequence[FollowedNode] = ()
    ready: Mapping[str, str] = field(default_factory=dict)


class Keeps(Protocol):
    @abstractmethod
    async def read(self) -> None:
        """What is wanted may have changed."""

    @abstractmethod
    async def followed(self, nodes: Sequence[Node], *, first: bool) -> Followed:
        """Of these, whose health it goes by. `first`: this host has just begun to decide."""

    @abstractmethod
    async def step(self, nodes: Sequence[Node]) -> bool:
        """Bring all of it closer to what is wanted. False: another host has changed something
        meanwhile, and it is to be read anew."""

    @abstractmethod
    def used(self, nodes: Sequence[Node]) -> Sequence[NodeUse]:
        """Of these, those that are up for it, and for whom."""

    @property
    @abstractmethod
    def groups(self) -> set[str]:
        """Of nodes that it knows to be wanted, or on their way out."""

    @abstractmethod
    async def stored_groups(self) -> set[str]:
        """The same, by the documents as they are now."""
