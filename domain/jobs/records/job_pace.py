"""How fast a job goes, over its last stretch, from a bounded number of marks."""

from dataclasses import dataclass

from domain.values import Value

_BETWEEN = 5.0
"""Seconds from one mark to the next, at least: a fast job is measured over its last minute."""
_KEPT = 13


class Mark(Value):
    """How many mini-batches and files had been done `at` that time (Unix seconds)."""

    at: float
    mini_batches: int = 0
    files: int = 0


Marks = tuple[Mark, ...]


@dataclass(frozen=True)
class Pace:
    mini_batches_per_second: float
    files_per_second: float
    seconds_left: float


def marked(marks: Marks, mark: Mark) -> Marks:
    """With `mark`, unless it comes too soon after the last; the oldest one goes."""
    if marks and mark.at < marks[-1].at + _BETWEEN:
        return marks
    return (*marks, mark)[-_KEPT:]


def pace(marks: Marks, now: Mark, remaining: int) -> Pace | None:
    """Since the oldest mark. None when nothing was done since. `remaining` mini-batches are
    still to do."""
    if not marks:
        return None
    first = marks[0]
    seconds, done = now.at - first.at, now.mini_batches - first.mini_batches
    if seconds <= 0 or done <= 0:
        return None
    rate = done / seconds
    return Pace(rate, (now.files - first.files) / seconds, remaining / rate)
