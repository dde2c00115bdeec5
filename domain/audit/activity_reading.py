"""What happened to a resource and who did it: acts and what became of things, newest first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.errors import Invalid
from domain.ports import AuditLog, AuditPage, AuditQuery, AuditRecord

_MOST = 1000


class ActivityReading:
    def __init__(self, log: AuditLog) -> None:
        self._audit = log

    async def of(
        self, places: Sequence[str], asked: AuditQuery, *, page_size: int, continuation: str | None
    ) -> AuditPage:
        """Of everything at `places` and below them, which do not overlap. A record that is there
        throughout the paging is seen once. Raises Invalid for a continuation that is none."""
        asked = replace(asked, with_story=True)
        if len(places) == 1:
            asked = replace(asked, resource=places[0] or None)
            return await self._audit.query(asked, page_size=page_size, continuation=continuation)
        if continuation is not None:
            asked = replace(asked, until=_time(continuation))
        found, more = list[AuditRecord](), False
        for place in places:
            page = await self._some(replace(asked, resource=place), page_size)
            found += page.records
            more |= page.continuation is not None
        found.sort(key=lambda record: record.id, reverse=True)
        if len(found) <= page_size:
            return AuditPage(found, found[-1].at.isoformat() if more and found else None)
        # What came in the same moment stays together, for the next page begins before it.
        last = found[page_size - 1].at
        return AuditPage([each for each in found if each.at >= last], last.isoformat())

    async def _some(self, asked: AuditQuery, page_size: int) -> AuditPage:
        """As many as fill a page, if there are as many."""
        found, continuation = list[AuditRecord](), None
        while len(found) < page_size:
            page = await self._audit.query(
                asked, page_size=min(page_size, _MOST), continuation=continuation
            )
            found += page.records
            continuation = page.continuation
            if continuation is None:
                break
        return AuditPage(found, continuation)


def _time(continuation: str) -> datetime:
    try:
        found = datetime.fromisoformat(continuation)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid("This continuation does not belong to this query.", target="$skip")
    return found
