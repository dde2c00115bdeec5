"""How logs are asked for, of deployments and of jobs alike, and answered."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from domain.errors import Detail, refuse
from domain.ground.logs import log_following
from domain.ground.logs.log_following import LONGEST_WAIT, LogPage, Tail
from domain.ground.logs.log_lines import Level, LogFilter, LogLine
from domain.ports import LogKind
from domain.values import Value

_MOST = 100_000
_MOST_AT_ONCE = 10_000


class GetLogs(Value):
    """`container_type` and `tail` are Azure ML's; the others are ours. With a `cursor`, which every
    answer has, only what came after it; `wait` is for how many seconds something may be waited
    for."""

    container_type: LogKind = LogKind.INFERENCE_SERVER
    tail: int = 5000
    cursor: str | None = None
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0
    since: str | None = None
    level: Level | None = None
    instance: str | None = None
    request_id: str | None = None
    contains: str | None = None

    @property
    def is_azures(self) -> bool:
        """Whether nothing of ours is asked."""
        return not (self.model_fields_set - {"container_type", "tail"})

    def check(self) -> None:
        """Raises Invalid with every fault."""
        faults = []
        if not 1 <= self.tail <= _MOST:
            faults.append(Detail("BadArgument", f"tail is 1 to {_MOST} lines.", "tail"))
        if self.since is not None and _moment(self.since) is None:
            told = "since is a time such as 2026-01-31T12:00:00Z."
            faults.append(Detail("BadArgument", told, "since"))
        for name in ("instance", "request_id", "contains"):
            if len(getattr(self, name) or "") > 1000:
                faults.append(Detail("BadArgument", f"{name} is too long.", name))
        refuse(faults)

    @property
    def filter(self) -> LogFilter:
        return LogFilter(
            since=_moment(self.since) if self.since else None,
            level=self.level,
            process=self.instance,
            request=self.request_id,
            contains=self.contains,
        )


async def answered(asked: GetLogs, tail: Tail) -> dict[str, Any]:
    """What is answered with. Raises Invalid."""
    asked.check()
    if asked.is_azures:
        return {"content": await tail(asked.tail)}
    most = min(asked.tail, _MOST_AT_ONCE)
    found = await log_following.followed(tail, asked.cursor, asked.filter, most, wait=asked.wait)
    return rendered(found)


def rendered(page: LogPage) -> dict[str, Any]:
    return {
        "content": page.content,
        "lines": [_line(each) for each in page.lines],
        "cursor": page.cursor,
        "missed": page.missed,
    }


def _line(line: LogLine) -> dict[str, Any]:
    return {
        "time": line.time or None,
        "instance": line.process or None,
        "requestId": line.request or None,
        "level": line.level.value,
        "message": line.text,
    }


def _moment(text: str) -> str | None:
    """As lines have times; None for what is none."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    utc = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"
