"""Who is let in, who leaves for it, and who waits."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from infra.embedded.http.connection_rooms import GRACE, ConnectionRooms
from tests.kit.stages.ample_door import AMPLE

LIMITS = replace(AMPLE, connections=12, strangers=6, strangers_of_one_address=3)


class Caller:
    """A connection that is seen from outside."""

    def __init__(self, address: str) -> None:
        self.counted_as = address
        self.awaited = True
        self.has_begun = False
        self.is_cut = False

    def begin(self) -> None:
        self.has_begun = True

    def cut(self) -> None:
        self.is_cut = True


class Silent(Caller):
    """It has said nothing yet: it is gone as soon as it is cut."""

    def __init__(self, address: str, rooms: ConnectionRooms) -> None:
        super().__init__(address)
        self._rooms = rooms

    def cut(self) -> None:
        super().cut()
        self._rooms.gone(self)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self) -> None:
        self.now += GRACE


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def rooms(time: Time) -> ConnectionRooms:
    return ConnectionRooms(LIMITS, time)


def entered(rooms: ConnectionRooms, *addresses: str) -> list[Caller]:
    callers = [Caller(address) for address in addresses]
    for caller in callers:
        rooms.enter(caller)
    return callers


def cut(callers: Sequence[Caller]) -> list[int]:
    return [number for number, caller in enumerate(callers) if caller.is_cut]


def begun(callers: Sequence[Caller]) -> list[int]:
    return [number for number, caller in enumerate(callers) if caller.has_begun]


def test_the_oldest_stranger_of_an_address_leaves_for_the_next_one(
    rooms: ConnectionRooms, time: Time
) -> None:
    callers = entered(rooms, "a", "b", "a", "a")
    time.passes()
    callers += entered(rooms, "a", "a")
    assert cut(callers) == [0, 2]
    assert (len(rooms), rooms.strangers, rooms.made_room) == (4, 4, 2)


def test_the_oldest_stranger_of_all_leaves_where_many_addresses_fill_the_room(
    rooms: ConnectionRooms, time: Time
) -> None:
    callers = entered(rooms, *(str(number) for number in range(6)))
    time.passes()
    callers += entered(rooms, *(str(number) for number in range(6, 9)))
    assert cut(callers) == [0, 1, 2]
    assert len(rooms) == 6


def test_who_waits_for_us_stays_and_who_comes_waits_too(rooms: ConnectionRooms, time: Time) -> None:
    inside = entered(rooms, *["a"] * 3)
    for caller in inside:
        caller.awaited = False
    time.passes()
    outside = entered(rooms, *["a"] * 4)
    (other,) = entered(rooms, "b")
    assert other.has_begun
    assert (begun(outside), cut(inside), rooms.waiting) == ([], [], 4)
    assert rooms.admit(inside[0])
    rooms.gone(inside[1])
    assert begun(outside) == [2, 3], "who came last has most of its patience left"
    inside[2].awaited = True
    rooms.settle()
    assert (begun(outside), cut(inside)) == ([1, 2, 3], [2])
    time.passes()
    rooms.settle()
    assert (begun(outside), rooms.waiting) == ([0, 1, 2, 3], 0)


def test_who_has_just_come_has_a_moment(rooms: ConnectionRooms, time: Time) -> None:
    first = entered(rooms, *["a"] * 4)
    assert (cut(first), rooms.waiting) == ([], 1)
    time.passes()
    rooms.settle()
    assert (cut(first), rooms.waiting) == ([0], 0)


def test_as_many_wait_as_there_may_be_connections(rooms: ConnectionRooms) -> None:
    callers = entered(rooms, *["a"] * 30)
    assert len(rooms) == LIMITS.connections
    assert cut(callers) == list(range(3, 21))
    while rooms.waiting:
        rooms.make_room()
    assert len(rooms) == 3
    rooms.make_room()
    assert callers[0].is_cut


def test_whoever_is_known_stays_however_many_strangers_come(
    rooms: ConnectionRooms, time: Time
) -> None:
    (known,) = entered(rooms, "a")
    assert rooms.admit(known)
    strangers = []
    for _ in range(300):
        strangers += entered(rooms, *["a"] * 3)
        time.passes()
    assert not known.is_cut
    assert cut(strangers) == list(range(897))
    assert rooms.strangers == 3


def test_an_address_has_as_many_known_callers_as_there_is_room_for(
    rooms: ConnectionRooms,
) -> None:
    callers = []
    for _ in range(6):
        callers += entered(rooms, "a")
        assert rooms.admit(callers[-1])
    (next_one,) = entered(rooms, "a")
    assert not rooms.admit(next_one), "the room of strangers is not for the known"
    rooms.gone(callers[0])
    assert rooms.admit(next_one)
    assert cut(callers) == []


def test_proxies_share_no_limit_of_an_address(rooms: ConnectionRooms, time: Time) -> None:
    callers = entered(rooms, *[""] * 6)
    assert begun(callers) == list(range(6))
    time.passes()
    assert begun(entered(rooms, *[""] * 2)) == [0, 1]
    assert cut(callers) == [0, 1]


def test_one_that_has_left_for_another_is_gone_once(rooms: ConnectionRooms, time: Time) -> None:
    callers = entered(rooms, *["a"] * 3)
    time.passes()
    callers += entered(rooms, *["a"] * 2)
    for caller in callers:
        rooms.gone(caller)
        rooms.gone(caller)
    assert len(rooms) == 0
    assert not rooms.admit(callers[0])
    assert len(rooms) == 0


def test_room_that_is_made_for_one_is_that_ones(time: Time) -> None:
    limits = replace(LIMITS, connections=4000, strangers=2000)
    rooms = ConnectionRooms(limits, time)
    callers = [Silent(str(number), rooms) for number in range(4000)]
    for caller in callers:
        rooms.enter(caller)
    time.passes()
    while rooms.waiting:
        rooms.settle()
        assert rooms.strangers == 2000
    assert cut(callers) == list(range(2000))
    for caller in callers:
        rooms.gone(caller)
    assert len(rooms) == 0


def test_those_who_wait_for_us_hide_nobody(time: Time) -> None:
    rooms = ConnectionRooms(replace(LIMITS, connections=200, strangers=100), time)
    busy = entered(rooms, *(f"busy {number}" for number in range(90)))
    for caller in busy:
        caller.awaited = False
    silent = entered(rooms, *(f"silent {number}" for number in range(10)))
    time.passes()
    (new,) = entered(rooms, "new")
    for _ in range(3):
        rooms.settle()
    assert new.has_begun
    assert (cut(silent), cut(busy)) == ([0], [])


def test_a_machine_that_opens_few_files_has_room_for_few_and_for_both_kinds() -> None:
    asked = replace(AMPLE, connections=16_384, strangers=2048, strangers_of_one_address=1024)
    assert asked.within(asked.files) == asked
    few = asked.within(1024)
    assert (few.connections, few.strangers, few.strangers_of_one_address) == (768, 384, 288)
    assert asked.within(512).connections == 256
