"""One host follows another on a machine: what that asks of a compute which runs models there."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.ports import Instance

Instances = Mapping[str, Sequence[Instance]]
"""Those that take requests, by the key of what they serve."""


class DoesNotComeUp(Exception):
    """What another host serves cannot be served by this one."""


class Succession(Protocol):
    """Two hosts are there at once for a while: the one before goes on serving from instances of
    its own, and the one after brings up the same. Each knows the other's instances by what it
    is told."""

    @abstractmethod
    async def hand_over(self) -> None:
        """Another host starts what is asked for from now on. Units under way are given up,
        builds end, nobody works for a job; what takes requests goes on."""

    @abstractmethod
    def take_back(self) -> None:
        """The other one is gone and has not come up: everything begins again. Raises Unavailable
        while its end is not quite over; it may be called again then."""

    @abstractmethod
    def begin_beside(self, expected: Sequence[str]) -> None:
        """Before `start`: a host is there that has handed over, and that serves these keys."""

    @abstractmethod
    async def lacking(self) -> Sequence[str]:
        """The keys of `expected` that are not up here yet, and are still wanted. Raises
        DoesNotComeUp."""

    @abstractmethod
    def is_alone(self) -> None:
        """The host before this one is gone."""

    @abstractmethod
    def own(self) -> Instances:
        """This host's instances: of what the one before serves, once they are as many as are
        wanted."""

    @abstractmethod
    def use(self, others: Instances) -> None:
        """What of the other host takes requests: for its keys, before this one's own."""
