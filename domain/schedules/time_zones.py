"""Time zones by IANA's names and by those of Windows, which Azure ML uses."""

from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal.windows_tz import win_tz

_WINDOWS = {windows.casefold(): iana for windows, iana in win_tz.items()}
_LONGEST = 64


@lru_cache(maxsize=1024)
def time_zone(name: str) -> tzinfo:
    """Raises ValueError for a name that is none."""
    if name.casefold() == "utc":
        return UTC
    try:
        # A key with `..` or `/` before it is refused by zoneinfo itself.
        return ZoneInfo(_WINDOWS.get(name.casefold(), name[:_LONGEST]))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"'{name[:_LONGEST]}' is not a time zone; use one such as Europe/Berlin (IANA) or "
            "W. Europe Standard Time (Windows)"
        ) from None
