"""Recurrences, said as expressions of a clock."""

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from domain.schedules.cron import Cron
from domain.schedules.recurrence import (
    Frequency,
    RecurrencePattern,
    WeekDay,
    expression_of,
)
from domain.schedules.schedule import ClockTrigger

START = datetime.fromisoformat("2026-03-11T14:25")
"""A Wednesday."""


def said(
    frequency: Frequency, interval: int = 1, start: datetime | None = None, **pattern: Any
) -> str:
    expression = expression_of(frequency, interval, RecurrencePattern(**pattern), start)
    Cron(expression)
    return expression


@pytest.mark.parametrize(
    ("expression", "of"),
    [
        ("* * * * *", said(Frequency.MINUTE)),
        ("10-59/15 * * * *", said(Frequency.MINUTE, 15, START)),
        ("0 0-23/6 * * *", said(Frequency.HOUR, 6)),
        ("25 2-23/6 * * *", said(Frequency.HOUR, 6, START)),
        ("0 0 * * *", said(Frequency.DAY)),
        ("25 14 * * *", said(Frequency.DAY, 1, START)),
        ("0,30 3,9 * * *", said(Frequency.DAY, hours=[9, 3], minutes=[30, 0])),
        ("25 14 * * wed", said(Frequency.WEEK, 1, START)),
        ("0 3 * * mon,fri", said(Frequency.WEEK, hours=[3], week_days=[*WeekDay][0:5:4])),
        ("25 14 11 * *", said(Frequency.MONTH, 1, START)),
        (
            "0 6 1,15 3-12/3 *",
            said(Frequency.MONTH, 3, START, hours=[6], minutes=[0], month_days=[15, 1]),
        ),
    ],
)
def test_a_recurrence_is_an_expression(expression: str, of: str) -> None:
    assert of == expression


@pytest.mark.parametrize(
    ("frequency", "interval", "why"),
    [
        (Frequency.MINUTE, 7, "7 minutes do not divide an hour"),
        (Frequency.HOUR, 5, "5 hours do not divide a day"),
        (Frequency.DAY, 2, "every 2 days cannot be said"),
        (Frequency.WEEK, 2, "every 2 weeks cannot be said"),
        (Frequency.WEEK, 1, "on which days of the week"),
        (Frequency.MONTH, 5, "5 months do not divide a year"),
        (Frequency.MONTH, 1, "on which days of the month"),
    ],
)
def test_what_a_clock_cannot_say_is_refused_with_what_can_be(
    frequency: Frequency, interval: int, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        expression_of(frequency, interval, None, None)


def test_a_trigger_keeps_what_was_asked_and_comes_due_by_its_expression() -> None:
    body = {
        "triggerType": "Recurrence",
        "frequency": "Week",
        "interval": 1,
        "schedule": {"hours": [3], "minutes": [30], "weekDays": ["Monday"]},
        "timeZone": "Europe/Berlin",
    }
    trigger = ClockTrigger.model_validate(body)
    assert trigger.expression == "30 3 * * mon"
    assert trigger.model_dump(mode="json", by_alias=True)["schedule"]["weekDays"] == ["Monday"]
    assert ClockTrigger.from_document(trigger.to_document()) == trigger


@pytest.mark.parametrize(
    "body",
    [
        {"triggerType": "Recurrence"},
        {"triggerType": "Recurrence", "frequency": "Year", "interval": 1},
        {"triggerType": "Recurrence", "frequency": "Day", "interval": 0},
        {"triggerType": "Recurrence", "frequency": "Day", "schedule": {"hours": [24]}},
        {"triggerType": "Cron", "expression": "0 3 * * *", "frequency": "Day"},
        {"triggerType": "Cron"},
        {"triggerType": "Sometimes", "expression": "0 3 * * *"},
    ],
)
def test_half_a_trigger_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClockTrigger.model_validate(body)
