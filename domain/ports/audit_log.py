"""Who did what, when, from where and with what result."""

import secrets
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from domain.values import Value, unsaid

STORY = "story/"
"""What actions begin with that nobody asked for: what has become of a resource."""


class AuditStatus(StrEnum):
    STARTED = "Started"
    """Begun, and no answer given yet; for ever so where the host ended before it could answer."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class AuditRecord(Value):
    """One act, or `count` logins of one kind that came within a minute.

    `id` sorts as the acts began: it is `place` and a random rest. `caller` is the credential's
    holder, '' where nobody knows; `client` the name that a client has beside its id. `action` and
    `resource` (a path) are relative to the workspace. `code` and `error` are the answer's status
    and error code; `operation` is the one that the act began, or `jobs/{name}`, which goes on
    after the answer. A record without `ended_at` is open.
    """

    id: str
    at: datetime
    ended_at: datetime | None = None
    status: AuditStatus = AuditStatus.STARTED
    caller: str = ""
    client: str = ""
    roles: tuple[str, ...] = ()
    address: str = ""
    action: str
    resource: str = ""
    method: str = ""
    path: str = ""
    code: int | None = None
    error: str = ""
    count: int = 1
    operation: str = ""
    correlation_id: str = ""
    client_request_id: str = ""
    user_agent: str = ""
    text: Annotated[str, unsaid("")] = ""
    """Of what the software tells of itself, whose action begins with `story/`."""

    @property
    def subject(self) -> str:
        return subject_of(self.resource)


def place(at: datetime) -> str:
    """Where ids of what began then stand among the others: its microseconds."""
    return f"{round(at.timestamp() * 1_000_000):017d}"


def new_id(at: datetime) -> str:
    return f"{place(at)}-{secrets.token_hex(8)}"


def subject_of(resource: str) -> str:
    """The first two segments, in lower case, under which a resource and what is below it are
    found."""
    return "/".join(resource.casefold().split("/")[:2])


@dataclass(frozen=True)
class AuditQuery:
    """Which records: those from `since` until before `until`, of `resource` and whatever is
    below it (in any case), of one caller (its id or its client's name), action and status. None:
    any. What has become of resources is in it `with_story` alone."""

    since: datetime | None = None
    until: datetime | None = None
    resource: str | None = None
    caller: str | None = None
    action: str | None = None
    status: AuditStatus | None = None
    with_story: bool = False

    def takes(self, record: AuditRecord) -> bool:
        below = (self.resource or "").casefold().strip("/")
        return (
            (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
            and (not below or f"{record.resource.casefold()}/".startswith(f"{below}/"))
            and self.caller in (None, record.caller, record.client)
            and self.action in (None, record.action)
            and self.status in (None, record.status)
            and (self.with_story or not record.action.startswith(STORY))
        )


@dataclass(frozen=True)
class AuditPage:
    """`continuation` is None when this is the last page; one with a continuation may be short,
    or empty."""

    records: Sequence[AuditRecord]
    continuation: str | None = None


class AuditLog(Protocol):
    """Grows at its end and is changed nowhere else: what was kept is gone once it is older than
    the log is kept, or, where the log has a largest size, from its oldest end."""

    @abstractmethod
    async def append(self, record: AuditRecord) -> str:
        """Keep a record under an id of its own; returns what `complete` is to be given once it is
        durable. The same record given again is kept once."""

    @abstractmethod
    async def complete(self, record: AuditRecord, given: str) -> None:
        """What an open record has become. One that is not open any more, or not there, stays
        as it is."""

    @abstractmethod
    async def query(
        self, asked: AuditQuery, *, page_size: int, continuation: str | None = None
    ) -> AuditPage:
        """Newest first. A record that is there throughout the paging is seen exactly once.
        Raises Invalid for a continuation that is none."""
