"""Azure ML's recurrences, as expressions of a clock."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.values import Value

_Hour = Annotated[int, Field(ge=0, le=23)]
_Minute = Annotated[int, Field(ge=0, le=59)]
_Day = Annotated[int, Field(ge=1, le=31)]


class Frequency(StrEnum):
    MINUTE = "Minute"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class WeekDay(StrEnum):
    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class RecurrencePattern(Value):
    """At which times of the days that are meant; what is left out is as the start has it."""

    hours: Annotated[list[_Hour], Field(max_length=24)] = []
    minutes: Annotated[list[_Minute], Field(max_length=60)] = []
    week_days: Annotated[list[WeekDay] | None, Field(max_length=7)] = None
    month_days: Annotated[list[_Day] | None, Field(max_length=31)] = None


def expression_of(
    frequency: Frequency, interval: int, pattern: RecurrencePattern | None, start: datetime | None
) -> str:
    """In NCRONTAB, counted from the beginning of the hour, day or year. Raises ValueError for
    what no expression says."""
    pattern = pattern or RecurrencePattern()
    minute = start.minute if start else 0
    if frequency is Frequency.MINUTE:
        return f"{_every(interval, 60, minute, 0, 'minutes', 'an hour')} * * * *"
    hour = start.hour if start else 0
    if frequency is Frequency.HOUR:
        return f"{minute} {_every(interval, 24, hour, 0, 'hours', 'a day')} * * *"
    times = f"{_listed(pattern.minutes or [minute])} {_listed(pattern.hours or [hour])}"
    if frequency is Frequency.MONTH:
        month = start.month if start else 1
        months = _every(interval, 12, month, 1, "months", "a year")
        days = pattern.month_days or ([start.day] if start else [])
        if not days:
            raise ValueError("on which days of the month? schedule.monthDays or startTime says so")
        return f"{times} {_listed(days)} {months} *"
    if interval != 1:
        raise ValueError(
            f"every {interval} {frequency.casefold()}s cannot be said by a clock: interval is 1 "
            "for days and weeks, and a month's days are schedule.monthDays"
        )
    if frequency is Frequency.DAY:
        return f"{times} * * *"
    week = pattern.week_days or ([list(WeekDay)[start.weekday()]] if start else [])
    if not week:
        raise ValueError("on which days of the week? schedule.weekDays or startTime says so")
    return f"{times} * * {','.join(day[:3].casefold() for day in week)}"


def _every(interval: int, whole: int, at: int, least: int, what: str, of: str) -> str:
    if whole % interval:
        fitting = ", ".join(str(each) for each in range(1, whole + 1) if whole % each == 0)
        raise ValueError(f"{interval} {what} do not divide {of}: interval is one of {fitting}")
    if interval == 1:
        return "*"
    return f"{(at - least) % interval + least}-{whole - 1 + least}/{interval}"


def _listed(numbers: list[int]) -> str:
    return ",".join(map(str, sorted(set(numbers))))
