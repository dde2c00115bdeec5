"""Logins and refused credentials, counted by who, from where and minute: however many come, the
log grows by a record for each kind of them and minute."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.audit.audit_telling import tell
from domain.errors import DomainError
from domain.ground.flushing import Flushing
from domain.ports import AuditLog, AuditRecord, AuditStatus, Clock
from domain.ports.audit_log import new_id

_log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Login:
    """A kind of login, by the names of AuditRecord. `caller` is who it says that it is: of a
    refused one nothing is proven."""

    action: str
    resource: str
    address: str
    code: int
    caller: str = ""
    client: str = ""
    error: str = ""


@dataclass(slots=True)
class _Group:
    record: AuditRecord
    count: int = 1
    given: str | None = None
    """What the log gave for the record; None: it is not kept yet."""


class LoginCounts:
    """A record is kept with the first of its kind, within `period` seconds, and has its count
    once the minute is over; of a host that is killed it has less. Of more than `capacity` kinds
    at a time the others are counted without saying who and from where. One event loop owns
    it."""

    def __init__(self, log: AuditLog, clock: Clock, *, period: float, capacity: int = 1000) -> None:
        self._audit = log
        self._clock = clock
        self._capacity = capacity
        self._groups: dict[Login, _Group] = {}
        self._over: list[_Group] = []
        self._flushing = Flushing(self.flush, self._is_left, period=period)
        self._one_flush = asyncio.Lock()

    def count(self, login: Login) -> None:
        """One more of it."""
        now = self._clock.now()
        if login not in self._groups and len(self._groups) >= self._capacity:
            login = Login(login.action, "", "", login.code, error=login.error)
        group = self._groups.get(login)
        if group is not None and now - group.record.at < _MINUTE:
            group.count += 1
        else:
            if group is not None:
                self._over.append(group)
            self._groups[login] = _Group(_record(login, now))
        self._flushing.ask()

    async def flush(self, *, all_over: bool = False) -> None:
        """Keep what is new, and the counts of the minutes that are over: all of them, where told
        so. What the log does not take is tried again the next time."""
        async with self._one_flush:
            now = self._clock.now()
            for login, group in list(self._groups.items()):
                if all_over or now - group.record.at >= _MINUTE:
                    self._over.append(self._groups.pop(login))
            over, self._over = self._over, []
            for group in over:
                if not await self._kept(group, ended=now):
                    self._over.append(group)
            del self._over[self._capacity :]
            for group in list(self._groups.values()):
                await self._kept(group)

    def _is_left(self) -> bool:
        return bool(self._groups or self._over)

    async def close(self) -> None:
        """Keep what is left, and count no more on a timer."""
        await self._flushing.end()
        await self.flush(all_over=True)

    async def _kept(self, group: _Group, ended: datetime | None = None) -> bool:
        record = group.record.but(count=group.count, ended_at=ended)
        try:
            if group.given is None:
                group.given = await self._audit.append(record)
                group.record = record
            elif ended is not None and group.count > group.record.count:
                await self._audit.complete(record, group.given)
        except DomainError as error:
            _log.warning("%d logins were not kept in the audit log: %r", group.count, error)
            return False
        if ended is not None:
            tell(record)
        return True


def _record(login: Login, now: datetime) -> AuditRecord:
    return AuditRecord(
        id=new_id(now),
        at=now,
        status=AuditStatus.SUCCEEDED if login.code < 400 else AuditStatus.FAILED,
        caller=login.caller,
        client=login.client,
        address=login.address,
        action=login.action,
        resource=login.resource,
        code=login.code,
        error=login.error,
    )
