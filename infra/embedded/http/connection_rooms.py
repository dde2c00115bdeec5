"""Who is connected: callers that are known, and strangers, for whom there is less room.

Where strangers have no room left, the one leaves that has been there longest of those that keep us
waiting: for a handshake, a head, a body, or the next request. It is one of the same address, where
that has its share, else one of all. Where nobody keeps us waiting, it is we who are slow, and
whoever comes waits before the door. So nobody is kept out by connections that do nothing, and many
callers that come at once all have their turn.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

from infra.embedded.http.door_limits import DoorLimits

GRACE = 1.0
"""Seconds that a stranger has before it is held against it that it keeps us waiting."""
_LOOKED_AT = 32
"""Strangers, or addresses, that are looked at for one who comes."""


class Connected(Protocol):
    """A connection from accept to its end."""

    @property
    def counted_as(self) -> str:
        """The address that it counts for; '' for one that speaks for many."""

    @property
    def awaited(self) -> bool:
        """Whether the caller is to say something next, and not we."""

    def begin(self) -> None:
        """It may speak from now on."""

    def cut(self) -> None:
        """End it now, whatever is under way."""


_InOrder = OrderedDict[Connected, float]
"""With the time since when."""


class ConnectionRooms:
    """`now` gives seconds. `made_room` counts the strangers that left for others, and those
    that waited before the door and were too many."""

    def __init__(self, limits: DoorLimits, now: Callable[[], float]) -> None:
        self._now = now
        self._most = limits.connections
        self._most_known = limits.connections - limits.strangers
        self._most_strangers = limits.strangers
        self._most_of_one = limits.strangers_of_one_address
        self._known: set[Connected] = set()
        self._strangers: _InOrder = OrderedDict()
        self._by_address: dict[str, _InOrder] = {}
        self._outside: OrderedDict[str, _InOrder] = OrderedDict()
        self._waiting = 0
        self.made_room = 0

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers) + self._waiting

    def __contains__(self, connection: object) -> bool:
        return connection in self._known or connection in self._strangers

    def __iter__(self) -> Iterator[Connected]:
        """Those inside."""
        yield from self._known
        yield from self._strangers

    @property
    def strangers(self) -> int:
        return len(self._strangers)

    @property
    def waiting(self) -> int:
        """How many wait before the door."""
        return self._waiting

    def enter(self, connection: Connected) -> None:
        """It has been accepted, and nothing is known of it but its address. It begins now, or
        once there is room."""
        if self._may_enter(connection.counted_as):
            self._let_in(connection)
            return
        if len(self) >= self._most:
            self._turn_away()
        outside = self._outside.setdefault(connection.counted_as, OrderedDict())
        outside[connection] = self._now()
        self._waiting += 1

    def admit(self, connection: Connected) -> bool:
        """Its credential was good. Whether it is known from now on: it stays a stranger while
        there is no room among the known."""
        if connection in self._strangers and len(self._known) < self._most_known:
            self._forget(connection)
            self._known.add(connection)
            self.settle()
        return connection in self._known

    def gone(self, connection: Connected) -> None:
        """It has ended. To say so again changes nothing, nor to say it of one that is cut to make
        room: that room is somebody's already."""
        if connection in self._known:
            self._known.remove(connection)
        elif not self._forget(connection):
            return
        self.settle()

    def settle(self) -> None:
        """Let in who waits, as far as there is room by now: addresses in turn, and of each who
        came last, for it has most of its patience left."""
        for _ in range(min(len(self._outside), _LOOKED_AT)):
            address, outside = self._outside.popitem(last=False)
            while outside and self._may_enter(address):
                connection, _ = outside.popitem()
                self._waiting -= 1
                self._let_in(connection)
            if outside:
                self._outside[address] = outside

    def make_room(self) -> None:
        """Have one leave that is not known, if there is one."""
        if self._waiting:
            self._turn_away()
        elif self._strangers:
            self._leave(next(iter(self._strangers)))

    def _may_enter(self, address: str) -> bool:
        """Whether there is room, made or not."""
        there = self._by_address.get(address)
        if address and there is not None and len(there) >= self._most_of_one:
            return self._made_room(there)
        return len(self._strangers) < self._most_strangers or self._made_room(self._strangers)

    def _made_room(self, among: _InOrder) -> bool:
        latest = self._now() - GRACE
        for connection, since in list(islice(among.items(), _LOOKED_AT)):
            if since > latest:
                continue
            if connection.awaited:
                self._leave(connection)
                return True
            # So that those who wait for us, however many, hide nobody from the next look.
            among.move_to_end(connection)
        return False

    def _let_in(self, connection: Connected) -> None:
        since = self._now()
        self._strangers[connection] = since
        self._by_address.setdefault(connection.counted_as, OrderedDict())[connection] = since
        connection.begin()

    def _leave(self, connection: Connected) -> None:
        self.made_room += 1
        self._forget(connection)
        connection.cut()

    def _turn_away(self) -> None:
        """Who has waited longest of the address whose turn it is."""
        if not self._outside:
            return
        outside = next(iter(self._outside.values()))
        connection = next(iter(outside))
        self.made_room += 1
        self._forget(connection)
        connection.cut()

    def _forget(self, connection: Connected) -> bool:
        """Whether it was there, inside or before the door."""
        address = connection.counted_as
        outside = self._outside.get(address)
        if outside is not None and connection in outside:
            self._waiting -= 1
            _remove(self._outside, address, connection)
            return True
        if connection in self._strangers:
            del self._strangers[connection]
            _remove(self._by_address, address, connection)
            return True
        return False


def _remove(of: dict[str, _InOrder], address: str, connection: Connected) -> None:
    del of[address][connection]
    if not of[address]:
        del of[address]
