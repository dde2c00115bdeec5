"""The audit log as documents of a resource store, which forgets them by itself."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain import errors
from domain.ports import (
    AuditLog,
    AuditPage,
    AuditQuery,
    AuditRecord,
    Clock,
    Create,
    Document,
    Json,
    Page,
    Replace,
    ResourceStore,
)
from domain.ports.audit_log import subject_of

KIND = "auditRecord"

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_TRIES = 5
_READ_AT_ONCE = 1000
_MOST_LOOKED_AT = 20_000
"""Records looked at for one page: after these it is what has been found by then."""


class DocumentAuditLog(AuditLog):
    """A month's records share a partition. Each is kept for `keep` after its last write."""

    def __init__(self, store: ResourceStore, clock: Clock, *, keep: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep

    async def append(self, record: AuditRecord) -> str:
        where, ttl = _partition(_month(record.at)), round(self._keep.total_seconds())
        try:
            [document] = await self._store.transact(
                where, [Create(record.id, _body(record), ttl=ttl)]
            )
        except errors.DocumentExists:
            # A create whose answer got lost on the way was tried again, and met itself.
            document = await self._store.get(where, record.id)
        return document.etag

    async def complete(self, record: AuditRecord, given: str) -> None:
        where, ttl = _partition(_month(record.at)), round(self._keep.total_seconds())
        for _ in range(_TRIES):
            write = Replace(record.id, _body(record), given, ttl=ttl)
            try:
                await self._store.transact(where, [write])
            except errors.StaleETag:
                # Its own write, or an ETag that moved while what it stands for did not.
                found = await self._store.get(where, record.id)
                if _record(found).ended_at is not None:
                    return
                given = found.etag
            except errors.DocumentNotFound:
                return
            else:
                return

    async def query(
        self, asked: AuditQuery, *, page_size: int, continuation: str | None = None
    ) -> AuditPage:
        start = (
            _Place(self._first(asked), None, "") if continuation is None else _read(continuation)
        )
        found: list[AuditRecord] = []
        looked_at, within, after = 0, start.within, start.after
        for month in self._months(asked, start.month):
            while True:
                page = await self._page(asked, month, within, page_size)
                for record in map(_record, page.documents):
                    if (after and record.id >= after) or not asked.takes(record):
                        continue
                    if len(found) == page_size:
                        return AuditPage(found, _written(_Place(month, within, found[-1].id)))
                    found.append(record)
                looked_at += len(page.documents)
                within, after = page.continuation, ""
                if within is None:
                    break
                if looked_at >= _MOST_LOOKED_AT:
                    return AuditPage(found, _written(_Place(month, within, "")))
        return AuditPage(found)

    async def _page(
        self, asked: AuditQuery, month: str, within: str | None, page_size: int
    ) -> Page:
        # The kind of a resource alone is no subject.
        resource = asked.resource or ""
        subject = subject_of(resource) if "/" in resource else None
        status = asked.status.value if asked.status else None
        fields = {"subject": subject, "act": asked.action, "status": status}
        return await self._store.query(
            KIND,
            partition=_partition(month),
            where={name: value for name, value in fields.items() if value is not None},
            page_size=min(page_size + 1, _READ_AT_ONCE),
            continuation=within,
            descending=True,
        )

    def _first(self, asked: AuditQuery) -> str:
        # Clocks of other hosts may be ahead.
        latest = self._clock.now() + timedelta(days=1)
        return _month(min(asked.until, latest) if asked.until else latest)

    def _months(self, asked: AuditQuery, month: str) -> Iterator[str]:
        """From `month` back, as far as anything is kept or asked for."""
        oldest = self._clock.now() - self._keep - timedelta(days=31)
        last = _month(max(asked.since, oldest) if asked.since else oldest)
        while month >= last:
            yield month
            year, number = map(int, month.split("-"))
            month = f"{year}-{number - 1:02d}" if number > 1 else f"{year - 1}-12"


@dataclass(frozen=True)
class _Place:
    """Where a page goes on: in a month, on a page of the store, behind a record."""

    month: str
    within: str | None
    after: str


def _written(place: _Place) -> str:
    text = json.dumps([place.month, place.within, place.after])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(continuation: str) -> _Place:
    """Raises Invalid."""
    try:
        text = base64.b64decode(continuation.encode("ascii"), b"-_", validate=True)
        month, within, after = json.loads(text)
    except (binascii.Error, UnicodeError, ValueError, TypeError):
        raise errors.Invalid("This continuation does not belong to this query.") from None
    if not _MONTH.fullmatch(str(month)) or not isinstance(after, str):
        raise errors.Invalid("This continuation does not belong to this query.")
    return _Place(month, within, after)


def _month(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m}"


def _partition(month: str) -> str:
    return f"audit/{month}"


def _body(record: AuditRecord) -> Json:
    """With what the store is asked by."""
    return {
        "kind": KIND,
        "subject": record.subject,
        "act": record.action,
        "status": record.status.value,
        "record": record.to_document(),
    }


def _record(document: Document) -> AuditRecord:
    return AuditRecord.from_document(document.body["record"])
