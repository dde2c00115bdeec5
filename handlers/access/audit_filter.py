"""`$filter` of the audit log, in the words of Azure Monitor's activity log."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.errors import Invalid, Unsupported
from domain.names import PROVIDER, WorkspaceScope
from domain.ports import AuditQuery, AuditStatus

_TERM = re.compile(
    r"\s*([A-Za-z]+)\s+(eq|ge|gt|le|lt)\s+'((?:[^']|'')*)'\s*(and\s|\Z)", re.IGNORECASE
)
_LONGEST = 4096
_ACTIONS = f"{PROVIDER}/workspaces/".casefold()
_TICK = timedelta(microseconds=1)
_HOW = "such as: eventTimestamp ge '2026-01-31T00:00:00Z' and resourceUri eq '…' and caller eq '…'"

Term = Callable[[AuditQuery, str, str], AuditQuery]


def parsed(text: str, scope: WorkspaceScope) -> AuditQuery:
    """Which records `text` asks for; terms are joined by `and`. Raises Invalid, and Unsupported for
    a field that records are not told apart by."""
    if len(text) > _LONGEST:
        raise _invalid(f"it has more than {_LONGEST} characters")
    asked = AuditQuery()
    for field, operator, value in _terms(text if text.strip() else ""):
        name = field.casefold()
        if name == "eventtimestamp":
            asked = _at(asked, operator, _time(value))
        elif operator != "eq":
            raise _invalid(f"{field} is compared by eq alone")
        elif name in ("resourceuri", "resourceid"):
            asked = replace(asked, resource=_resource(value, scope))
        elif name == "caller":
            asked = replace(asked, caller=value)
        elif name in ("operationname", "operations"):
            asked = replace(asked, action=_action(value))
        elif name == "status":
            asked = replace(asked, status=_status(value))
        elif name not in ("resourceprovider", "resourcegroupname"):
            raise Unsupported(
                f"'{field[:40]}' is no field of the filter: there are eventTimestamp, resourceUri, "
                "caller, operationName and status.",
                target="$filter",
            )
    return asked


def _terms(text: str) -> Iterator[tuple[str, str, str]]:
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or (found[4] and found.end() == len(text)):
            raise _invalid("it is not understood")
        yield found[1], found[2].casefold(), found[3].replace("''", "'")
        at = found.end()


def _at(asked: AuditQuery, operator: str, time: datetime) -> AuditQuery:
    if operator in ("eq", "ge", "gt"):
        asked = replace(asked, since=time + (_TICK if operator == "gt" else timedelta(0)))
    if operator in ("eq", "le", "lt"):
        asked = replace(asked, until=time + (timedelta(0) if operator == "lt" else _TICK))
    return asked


def _time(value: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
        time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(f"'{value[:40]}' is no time") from None
    if not 1970 < time.year < 9999:
        raise _invalid(f"'{value[:40]}' is no time")
    return time


def _resource(value: str, scope: WorkspaceScope) -> str:
    """Below the workspace, whether its whole id is given or what comes after the workspace."""
    if value.casefold().rstrip("/") == scope.id.casefold():
        return ""
    prefix = f"{scope.id}/"
    if value.casefold().startswith(prefix.casefold()):
        return value[len(prefix) :].strip("/")
    if value.startswith("/"):
        raise _invalid(f"'{value[:200]}' is not of this workspace, {scope.id}")
    return value.strip("/")


def _action(value: str) -> str:
    return value[len(_ACTIONS) :] if value.casefold().startswith(_ACTIONS) else value


def _status(value: str) -> AuditStatus:
    for status in AuditStatus:
        if status.value.casefold() == value.casefold():
            return status
    raise _invalid(f"'{value[:40]}' is no status; there are {', '.join(AuditStatus)}")


def _invalid(why: str) -> Invalid:
    return Invalid(f"The $filter cannot be: {why}. Write it {_HOW}.", target="$filter")
