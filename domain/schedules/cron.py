"""Six-field cron expressions as Azure Functions reads them (NCRONTAB):
`{second} {minute} {hour} {day} {month} {day-of-week}`, in UTC.

Unlike Unix cron, a day must satisfy both its day-of-month and its day-of-week field. Five
fields are read with second 0.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")

# Every date pattern that comes at all comes again within 28 years, or 40 across a century
# that is no leap year (29 February on a given weekday).
_HORIZON = timedelta(days=366 * 41)


class CronError(ValueError):
    """The expression is not one; the message says which field and why."""


class Cron:
    """One parsed schedule. Equal expressions have equal occurrences; there is always a next
    one, for an expression that never comes due is refused when parsed."""

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        if len(fields) == 5:
            fields.insert(0, "0")
        if len(fields) != 6:
            raise CronError(
                f"`{expression}` has {len(fields)} fields; a schedule has six: "
                "second minute hour day month day-of-week"
            )
        names = ("second", "minute", "hour", "day", "month", "day-of-week")
        bounds = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
        words: tuple[Mapping[str, int], ...] = (
            *[MappingProxyType({})] * 4,
            {name: i for i, name in enumerate(_MONTHS, 1)},
            {name: i for i, name in enumerate(_DAYS)},
        )
        parsed = [
            _values(text, name, *bound, word)
            for text, name, bound, word in zip(fields, names, bounds, words, strict=True)
        ]
        self.expression = expression
        self._seconds, self._minutes, self._hours = (sorted(values) for values in parsed[:3])
        self._days, self._months, self._weekdays = parsed[3:]
        if not any(min(self._days) <= _LONGEST_MONTH[month - 1] for month in self._months):
            raise CronError(f"`{expression}` never comes due: no such day in those months")

    @property
    def is_every_hour(self) -> bool:
        return len(self._hours) == 24

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence strictly after `moment` (aware), in UTC, on a whole second."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.date()
        if self._due_on(day):
            time = self._time_from(start.hour, start.minute, start.second)
            if time is not None:
                return datetime(day.year, day.month, day.day, *time, tzinfo=UTC)
        last = day + _HORIZON
        while day < last:
            day = _following_month(day) if day.month not in self._months else day + timedelta(1)
            if self._due_on(day):
                first = (self._hours[0], self._minutes[0], self._seconds[0])
                return datetime(day.year, day.month, day.day, *first, tzinfo=UTC)
        raise CronError(f"`{self.expression}` does not come due before {last}")

    def _due_on(self, day: date) -> bool:
        return (
            day.month in self._months
            and day.day in self._days
            and day.isoweekday() % 7 in self._weekdays
        )

    def _time_from(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first time of day at or after this one; None when the day has no more."""
        hours, minutes, seconds = self._hours, self._minutes, self._seconds
        if hour in hours:
            if minute in minutes:
                at = bisect_left(seconds, second)
                if at < len(seconds):
                    return hour, minute, seconds[at]
            at = bisect_left(minutes, minute + 1)
            if at < len(minutes):
                return hour, minutes[at], seconds[0]
        at = bisect_left(hours, hour + 1)
        return (hours[at], minutes[0], seconds[0]) if at < len(hours) else None


def _following_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _values(text: str, field: str, low: int, high: int, words: Mapping[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise CronError(f"{field}: `{item}` is no value, range or step")
        star, first, last, step = match.groups()
        if star:
            begin, end = low, high
        else:
            begin = _number(first, field, low, high, words)
            if last is not None:
                end = _number(last, field, low, high, words)
            else:
                end = high if step else begin
        if begin > end:
            raise CronError(f"{field}: the range `{item}` runs backwards")
        every = int(step) if step else 1
        if every < 1:
            raise CronError(f"{field}: a step of `{item}` never advances")
        values.update(range(begin, end + 1, every))
    return frozenset(values)


def _number(text: str, field: str, low: int, high: int, words: Mapping[str, int]) -> int:
    value = words.get(text.lower()[:3]) if text.isalpha() else int(text) if text.isdigit() else None
    if value is None or not low <= value <= high:
        raise CronError(f"{field}: `{text}` is not within {low} to {high}")
    return value
