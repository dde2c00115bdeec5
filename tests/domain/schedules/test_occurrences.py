"""When an expression comes due by the clocks of a zone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedules.occurrences import Occurrences
from domain.schedules.time_zones import time_zone

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def following(occurrences: Occurrences, moment: str, count: int) -> list[str]:
    found, now = [], at(moment)
    for _ in range(count):
        now = occurrences.next_after(now)
        found.append(now.strftime("%d %H:%M"))
    return found


def test_a_time_is_that_of_the_zone_in_summer_and_winter() -> None:
    daily = Occurrences("0 6 * * *", BERLIN)
    assert daily.next_after(at("2026-01-10T12:00")) == at("2026-01-11T05:00")
    assert daily.next_after(at("2026-07-10T12:00")) == at("2026-07-11T04:00")


def test_a_time_that_clocks_skip_comes_due_by_the_time_before() -> None:
    daily = Occurrences("30 2 * * *", NEW_YORK)
    # On 8 March 2026 02:00 EST is 03:00 EDT; 02:30 is then what clocks call 03:30.
    assert following(daily, "2026-03-07T00:00", 3) == ["07 07:30", "08 07:30", "09 06:30"]
    hourly = Occurrences("0 * * * *", NEW_YORK)
    assert following(hourly, "2026-03-08T05:30", 3) == ["08 06:00", "08 07:00", "08 08:00"]


def test_a_time_that_clocks_show_twice_comes_due_once() -> None:
    daily = Occurrences("30 1 * * *", NEW_YORK)
    # On 1 November 2026 01:30 EDT is 05:30 UTC and 01:30 EST 06:30 UTC.
    assert following(daily, "2026-11-01T00:00", 2) == ["01 05:30", "02 06:30"]
    assert following(daily, "2026-11-01T05:45", 1) == ["02 06:30"]


def test_every_hour_is_every_hour_also_when_clocks_go_back() -> None:
    often = Occurrences("*/30 * * * *", NEW_YORK)
    assert following(often, "2026-11-01T04:45", 5) == [
        "01 05:00",
        "01 05:30",
        "01 06:00",
        "01 06:30",
        "01 07:00",
    ]


@settings(max_examples=60)
@given(
    minute=st.sampled_from(["*", "*/7", "0", "15,45"]),
    hour=st.sampled_from(["*", "0-4", "1", "2", "3", "*/2"]),
    zone=st.sampled_from([BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), UTC]),
    day=st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-25", "2026-11-01"]),
    offset=st.integers(-20 * 60, 20 * 60),
)
def test_instants_rise_and_each_shows_a_time_that_fits(
    minute: str, hour: str, zone: ZoneInfo, day: str, offset: int
) -> None:
    occurrences = Occurrences(f"{minute} {hour} * * *", zone)
    now = at(day) + timedelta(minutes=offset)
    found = [now]
    for _ in range(12):
        found.append(occurrences.next_after(found[-1]))
    assert all(a < b for a, b in pairwise(found))
    last = found[-1]
    assert occurrences.newest(found[1], last) == last
    assert occurrences.newest(found[1], last + timedelta(seconds=1)) == last
    for one, other in pairwise(found[1:]):
        middle = one + (other - one) / 2
        assert occurrences.next_after(middle) == other


def test_the_newest_of_many_missed_times_is_found_at_once() -> None:
    every_second = Occurrences("* * * * * *", BERLIN)
    first = at("2020-01-01T00:00:01")
    now = datetime(2026, 3, 29, 2, 30, 0, 500_000, tzinfo=UTC)
    assert every_second.newest(first, now) == now.replace(microsecond=0)


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("UTC", 0),
        ("W. Europe Standard Time", 1),
        ("pacific standard time", -8),
        ("Asia/Tokyo", 9),
    ],
)
def test_zones_have_iana_s_names_and_windows_s(name: str, hours: int) -> None:
    offset = at("2026-01-15T00:00").astimezone(time_zone(name)).utcoffset()
    assert offset == timedelta(hours=hours)


@pytest.mark.parametrize(
    "name", ["", "Mars/Base", "../../etc/passwd", "/etc/localtime", "\0", "x" * 9999]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        time_zone(name)
