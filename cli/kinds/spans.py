"""Durations as ISO 8601 writes them, of days and less."""

import re

from cli.failures import UsageFailed

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


def whole_minutes(name: str, text: str) -> str:
    """What a flag of this name says, such as 5m, 1h, 2d or PT15M, as REST has it. Raises
    UsageFailed."""
    units = {"m": 60, "h": 3600, "d": 86400}
    seconds: float | None = None
    if text[-1:] in units and text[:-1].isdigit():
        seconds = int(text[:-1]) * units[text[-1]]
    else:
        seconds = seconds_of(text)
    if not seconds or seconds % 60:
        raise UsageFailed(f"{name} {text}: whole minutes, such as 5m, 1h or PT15M.")
    return f"PT{int(seconds // 60)}M"
