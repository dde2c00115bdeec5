"""How often something may come from one address within a minute."""

import pytest

from domain.audit.address_limits import AT_ONE_ADDRESS, AddressLimits
from domain.errors import Throttled
from tests.kit.clocks import HeldClock

HERE, THERE = "203.0.113.9", "198.51.100.7"


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def limits(clock: HeldClock) -> AddressLimits:
    return AddressLimits(clock, most=3)


def times(limits: AddressLimits, count: int, address: str, target: str) -> None:
    for _ in range(count):
        limits.count(address, target)


def is_let_in(limits: AddressLimits, address: str, target: str, credential: bytes = b"") -> bool:
    try:
        limits.check(address, target, credential)
    except Throttled:
        return False
    return True


def test_an_address_is_kept_out_of_what_it_tried_too_often_until_the_minute_is_over(
    limits: AddressLimits, clock: HeldClock
) -> None:
    times(limits, 2, HERE, "iris")
    assert is_let_in(limits, HERE, "iris")
    times(limits, 1, HERE, "iris")
    assert is_let_in(limits, THERE, "iris")
    assert is_let_in(limits, HERE, "other")
    clock.move(12.5)
    with pytest.raises(Throttled) as refused:
        limits.check(HERE, "iris")
    assert refused.value.retry_after == 48
    clock.move(47.5)
    assert is_let_in(limits, HERE, "iris")


def test_an_address_is_kept_out_of_everything_that_tried_too_much(limits: AddressLimits) -> None:
    for number in range(3 * AT_ONE_ADDRESS):
        assert is_let_in(limits, HERE, "iris")
        limits.count(HERE, f"target-{number}")
    assert not is_let_in(limits, HERE, "iris")


def test_who_showed_a_good_credential_before_goes_on_and_others_do_not(
    limits: AddressLimits, clock: HeldClock
) -> None:
    limits.spare(HERE, "iris", b"early")
    times(limits, 1, HERE, "iris")
    limits.spare(HERE, "iris", b"good")
    times(limits, 5, HERE, "iris")
    assert is_let_in(limits, HERE, "iris", b"good")
    assert not is_let_in(limits, HERE, "iris", b"early")
    assert not is_let_in(limits, HERE, "iris", b"guess")
    times(limits, 3 * AT_ONE_ADDRESS, HERE, "other")
    assert not is_let_in(limits, HERE, "other", b"good")
    clock.move(61)
    times(limits, 5, HERE, "iris")
    assert is_let_in(limits, HERE, "iris", b"good")


def test_one_subscriber_of_ipv6_is_one_address(limits: AddressLimits) -> None:
    for number in range(3):
        limits.count(f"2001:db8:0:1::{number}", "iris")
    assert not is_let_in(limits, "2001:db8:0:1:ffff::1", "iris")
    assert is_let_in(limits, "2001:db8:0:2::1", "iris")


def test_callers_of_ipv4_on_a_socket_of_ipv6_are_not_one_address(limits: AddressLimits) -> None:
    times(limits, 3 * AT_ONE_ADDRESS, f"::ffff:{HERE}", "iris")
    assert not is_let_in(limits, HERE, "iris")
    assert is_let_in(limits, f"::ffff:{THERE}", "iris")


def test_nobody_is_watched_any_more_once_nothing_came_for_long(
    limits: AddressLimits, clock: HeldClock
) -> None:
    assert not limits.watching
    times(limits, 1, HERE, "iris")
    clock.move(599)
    times(limits, 1, THERE, "iris")
    clock.move(1)
    limits.check(THERE, "iris")
    assert limits.watching
    clock.move(600)
    limits.check(THERE, "iris")
    assert not limits.watching


def test_however_many_addresses_come_so_many_are_remembered(limits: AddressLimits) -> None:
    times(limits, 3, HERE, "iris")
    for number in range(4096):
        limits.count(f"10.0.{number // 256}.{number % 256}", "iris")
    assert is_let_in(limits, HERE, "iris")


def test_however_long_a_target_is_as_much_of_it_is_remembered(limits: AddressLimits) -> None:
    for number in range(3):
        limits.count(HERE, "iris" * 100 + str(number))
    assert not is_let_in(limits, HERE, "iris" * 10_000)
    assert is_let_in(limits, HERE, "iris")


def test_nought_is_no_limit(clock: HeldClock) -> None:
    limits = AddressLimits(clock, most=0)
    times(limits, 1000, HERE, "iris")
    assert not limits.watching
    assert is_let_in(limits, HERE, "iris")


def test_a_clock_that_is_set_back_keeps_nobody_out_for_longer(
    limits: AddressLimits, clock: HeldClock
) -> None:
    times(limits, 3, HERE, "iris")
    clock.move(-3600)
    assert is_let_in(limits, HERE, "iris")
