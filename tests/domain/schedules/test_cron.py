"""NCRONTAB: checked against a second-by-second definition, and on what Functions documents."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.cron import Cron, CronError

FIELDS = (
    ("*", range(60)),
    ("*/7", range(0, 60, 7)),
    ("0", [0]),
    ("5-40/5", range(5, 41, 5)),
    ("1,30,59", [1, 30, 59]),
    ("50/3", range(50, 60, 3)),
)
HOURS = (("*", range(24)), ("0", [0]), ("9-17", range(9, 18)), ("23,3", [3, 23]))
MOMENTS = st.datetimes(
    min_value=datetime.fromisoformat("2000-01-01"),
    max_value=datetime.fromisoformat("2090-01-01"),
    timezones=st.just(UTC),
)


@given(
    second=st.sampled_from(FIELDS),
    minute=st.sampled_from(FIELDS),
    hour=st.sampled_from(HOURS),
    moment=MOMENTS,
)
def test_the_next_time_of_day_is_the_first_that_fits(
    second: tuple[str, list[int]],
    minute: tuple[str, list[int]],
    hour: tuple[str, list[int]],
    moment: datetime,
) -> None:
    found = Cron(f"{second[0]} {minute[0]} {hour[0]} * * *").next_after(moment)
    assert found > moment
    assert found.microsecond == 0
    times = [
        found.replace(hour=h, minute=m, second=s)
        for h in hour[1]
        for m in minute[1]
        for s in second[1]
    ]
    assert found in times
    everything = [t + timedelta(days=d) for t in times for d in (-1, 0)]
    assert min(t for t in everything if t > moment) == found


@given(
    day=st.sampled_from(["*", "1", "29", "30,31", "*/10"]),
    month=st.sampled_from(["*", "2", "jan,JUL", "6-8", "12"]),
    weekday=st.sampled_from(["*", "0", "mon-fri", "SAT", "1-5"]),
    moment=MOMENTS,
)
def test_a_day_fits_all_three_of_its_fields(
    day: str, month: str, weekday: str, moment: datetime
) -> None:
    if (day, month) == ("30,31", "2"):
        with pytest.raises(CronError):
            Cron(f"0 0 0 {day} {month} {weekday}")
        return
    found = Cron(f"0 0 0 {day} {month} {weekday}").next_after(moment)
    days = {"*": range(32), "1": [1], "29": [29], "30,31": [30, 31], "*/10": [1, 11, 21, 31]}
    months = {"*": range(13), "2": [2], "jan,JUL": [1, 7], "6-8": [6, 7, 8], "12": [12]}
    weekdays = {"*": range(7), "0": [0], "mon-fri": range(1, 6), "SAT": [6], "1-5": range(1, 6)}

    def fits(candidate: datetime) -> bool:
        return (
            candidate.day in days[day]
            and candidate.month in months[month]
            and candidate.isoweekday() % 7 in weekdays[weekday]
        )

    assert fits(found)
    candidate = found - timedelta(days=1)
    while candidate > moment:
        assert not fits(candidate)
        candidate -= timedelta(days=1)


@given(moment=MOMENTS)
def test_occurrences_rise(moment: datetime) -> None:
    cron = Cron("*/20 */9 * * * *")
    first = cron.next_after(moment)
    assert cron.next_after(first) > first


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 */5 * * * *", "2024-01-01T00:00:00", "2024-01-01T00:05:00"),
        ("0 30 9 * * Mon-Fri", "2024-03-08T09:30:00", "2024-03-11T09:30:00"),
        ("0 0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
        # No Sunday is a 29 February between 2096 and 2128.
        ("0 0 0 29 2 0", "2088-03-01T00:00:00", "2128-02-29T00:00:00"),
        ("59 59 23 31 12 *", "2024-12-31T23:59:58", "2024-12-31T23:59:59"),
        ("*/15 * * * *", "2024-01-01T00:00:01", "2024-01-01T00:15:00"),
    ],
)
def test_known_schedules(expression: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Cron(expression).next_after(moment).isoformat() == f"{expected}+00:00"


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    moment = datetime(2024, 1, 1, 1, 59, 59, tzinfo=timezone(timedelta(hours=2)))
    assert Cron("0 0 0 * * *").next_after(moment) == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("* * * *", "4 fields"),
        ("", "0 fields"),
        ("60 * * * * *", "second: `60`"),
        ("* * 24 * * *", "hour: `24`"),
        ("* * * 0 * *", "day: `0`"),
        ("* * * * 13 *", "month: `13`"),
        ("* * * * * 7", "day-of-week: `7`"),
        ("* * * * * someday", "day-of-week: `someday`"),
        ("30-10 * * * * *", "backwards"),
        ("*/0 * * * * *", "never advances"),
        ("1,,2 * * * * *", "second: ``"),
        ("x-y * * * * *", "second: `x`"),
        ("0 0 0 30 2 *", "never comes due"),
        ("00:05:00", "1 fields"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_field_named(
    expression: str, complaint: str
) -> None:
    with pytest.raises(CronError, match=complaint):
        Cron(expression)
