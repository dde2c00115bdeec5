"""Who is connected: callers that are known, and strangers, for whom there is less room.

Whoever comes is let in. Where strangers have no room left, the one that has been there longest
without a good credential leaves: of the same address, where that has its share, else of all. So
nobody is kept out by connections that do nothing, and a caller needs but the time of one request
to be known.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from infra.embedded.http.door_limits import DoorLimits


class Connected(Protocol):
    """A connection from accept to its end."""

    @property
    def counted_as(self) -> str:
        """The address that it counts for; '' for one that speaks for many."""

    def cut(self) -> None:
        """End it now, whatever is under way."""


class ConnectionRooms:
    """`made_room` counts the strangers that left for others."""

    def __init__(self, limits: DoorLimits) -> None:
        self._most_known = limits.connections - limits.strangers
        self._most_strangers = limits.strangers
        self._most_of_one = limits.strangers_of_one_address
        self._known: set[Connected] = set()
        self._strangers: OrderedDict[Connected, None] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Connected, None]] = {}
        self.made_room = 0

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers)

    def __iter__(self) -> Iterator[Connected]:
        yield from self._known
        yield from self._strangers

    @property
    def strangers(self) -> int:
        return len(self._strangers)

    def enter(self, connection: Connected) -> None:
        """It has been accepted, and nothing is known of it but its address."""
        address = connection.counted_as
        there = self._by_address.get(address)
        if address and there is not None and len(there) >= self._most_of_one:
            self._make_room(next(iter(there)))
        elif len(self._strangers) >= self._most_strangers:
            self.make_room()
        self._strangers[connection] = None
        self._by_address.setdefault(address, OrderedDict())[connection] = None

    def admit(self, connection: Connected) -> bool:
        """Its credential was good. Whether it is known from now on: it stays a stranger while
        there is no room among the known."""
        if connection in self._strangers and len(self._known) < self._most_known:
            self._forget(connection)
            self._known.add(connection)
        return connection in self._known

    def gone(self, connection: Connected) -> None:
        """It has ended. To say so again changes nothing."""
        self._known.discard(connection)
        self._forget(connection)

    def make_room(self) -> None:
        """Have one stranger leave, if there is one."""
        oldest = next(iter(self._strangers), None)
        if oldest is not None:
            self._make_room(oldest)

    def _make_room(self, oldest: Connected) -> None:
        self.made_room += 1
        self.gone(oldest)
        oldest.cut()

    def _forget(self, connection: Connected) -> None:
        if connection not in self._strangers:
            return
        del self._strangers[connection]
        there = self._by_address[connection.counted_as]
        del there[connection]
        if not there:
            del self._by_address[connection.counted_as]
