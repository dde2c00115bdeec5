"""Durations as ISO 8601 writes them, of days and less."""

import re

_FORM = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def iso_duration(seconds: float) -> str:
    """Such as PT5S or PT0.5S."""
    return f"PT{seconds:.6f}".rstrip("0").rstrip(".") + "S"


def seconds_of(duration: object) -> float | None:
    """The seconds of a duration, or None for what is none."""
    if not isinstance(duration, str):
        return None
    match = _FORM.fullmatch(duration)
    if match is None or duration in ("P", "PT"):
        return None
    return sum(float(value) * _UNITS[name] for name, value in match.groupdict().items() if value)
