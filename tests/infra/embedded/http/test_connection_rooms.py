"""Who is let in, and who leaves for it."""

from collections.abc import Sequence
from dataclasses import replace

from infra.embedded.http.connection_rooms import ConnectionRooms
from tests.kit.stages.ample_door import AMPLE

LIMITS = replace(AMPLE, connections=12, strangers=6, strangers_of_one_address=3)


class Caller:
    """A connection that can only be cut."""

    def __init__(self, address: str) -> None:
        self.counted_as = address
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


def entered(rooms: ConnectionRooms, *addresses: str) -> list[Caller]:
    callers = [Caller(address) for address in addresses]
    for caller in callers:
        rooms.enter(caller)
    return callers


def cut(callers: Sequence[Caller]) -> list[int]:
    return [number for number, caller in enumerate(callers) if caller.is_cut]


def test_the_oldest_stranger_of_an_address_leaves_for_the_next_one() -> None:
    rooms = ConnectionRooms(LIMITS)
    callers = entered(rooms, "a", "b", *["a"] * 4)
    assert cut(callers) == [0, 2]
    assert (len(rooms), rooms.strangers, rooms.made_room) == (4, 4, 2)


def test_the_oldest_stranger_of_all_leaves_where_many_addresses_fill_the_room() -> None:
    rooms = ConnectionRooms(LIMITS)
    callers = entered(rooms, *(str(number) for number in range(9)))
    assert cut(callers) == [0, 1, 2]
    assert len(rooms) == 6


def test_whoever_is_known_stays_however_many_strangers_come() -> None:
    rooms = ConnectionRooms(LIMITS)
    (known,) = entered(rooms, "a")
    assert rooms.admit(known)
    strangers = entered(rooms, *["a"] * 1000)
    assert not known.is_cut
    assert cut(strangers) == list(range(997))
    assert rooms.strangers == 3


def test_an_address_has_as_many_known_callers_as_there_is_room_for() -> None:
    rooms = ConnectionRooms(LIMITS)
    callers = []
    for _ in range(6):
        callers += entered(rooms, "a")
        assert rooms.admit(callers[-1])
    (next_one,) = entered(rooms, "a")
    assert not rooms.admit(next_one), "the room of strangers is not for the known"
    rooms.gone(callers[0])
    assert rooms.admit(next_one)
    assert cut(callers) == []


def test_proxies_share_no_limit_of_an_address() -> None:
    rooms = ConnectionRooms(LIMITS)
    assert cut(entered(rooms, *[""] * 6)) == []
    assert cut(entered(rooms, *[""] * 2)) == []
    assert rooms.made_room == 2


def test_one_that_has_left_for_another_is_gone_once() -> None:
    rooms = ConnectionRooms(LIMITS)
    callers = entered(rooms, *["a"] * 4)
    for caller in callers:
        rooms.gone(caller)
        rooms.gone(caller)
    assert len(rooms) == 0
    assert not rooms.admit(callers[0])
    assert len(rooms) == 0


def test_a_machine_that_opens_few_files_has_room_for_few_and_for_both_kinds() -> None:
    asked = replace(AMPLE, connections=16_384, strangers=2048, strangers_of_one_address=1024)
    assert asked.within(asked.files) == asked
    few = asked.within(1024)
    assert (few.connections, few.strangers, few.strangers_of_one_address) == (768, 384, 288)
    assert asked.within(512).connections == 256
