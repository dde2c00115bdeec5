"""Who did what, kept for the answer that is given.

A write is kept before it is begun, and its end before it is answered: nothing is done of which
there is no record, and a record that says Started for ever is of a host that ended in between,
whose write may hold or not. What only tells a secret is kept before the secret is told. Logins
are counted (domain/audit/login_counts.py).
"""

import logging
from dataclasses import dataclass

from domain.audit.audit_telling import tell
from domain.errors import DomainError
from domain.ports import AuditLog, AuditPage, AuditQuery, AuditRecord, AuditStatus, Clock, Principal
from domain.ports.audit_log import new_id

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Act:
    """What somebody asks for, by the names of AuditRecord."""

    caller: Principal
    address: str
    action: str
    resource: str
    method: str
    path: str
    correlation_id: str
    client_request_id: str
    user_agent: str


@dataclass(frozen=True)
class Outcome:
    """How it was answered: `error` is '' for what succeeded, `operation` for what has ended."""

    code: int
    error: str = ""
    operation: str = ""


@dataclass(frozen=True)
class Begun:
    """An act that is kept and not ended; `given` is the log's."""

    record: AuditRecord
    given: str


class Auditing:
    """Raises what the log does, but from `ended`: then the answer is given, and the log of the
    host has what the record lacks."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._audit = log
        self._clock = clock

    async def begun(self, act: Act) -> Begun:
        """Before anything is done of it."""
        record = self._record(act)
        return Begun(record, await self._audit.append(record))

    async def ended(self, begun: Begun, outcome: Outcome) -> None:
        record = self._ended(begun.record, outcome)
        try:
            await self._audit.complete(record, begun.given)
        except DomainError as error:
            told = "Its record says Started: %s of %s was answered %d (%r)"
            _log.warning(told, record.action, record.resource, outcome.code, error)
        tell(record)

    async def done(self, act: Act, outcome: Outcome) -> None:
        """Of what changes nothing, once it is clear what the answer will be."""
        record = self._ended(self._record(act), outcome)
        await self._audit.append(record)
        tell(record)

    async def query(
        self, asked: AuditQuery, *, page_size: int, continuation: str | None
    ) -> AuditPage:
        return await self._audit.query(asked, page_size=page_size, continuation=continuation)

    def _record(self, act: Act) -> AuditRecord:
        now, caller = self._clock.now(), act.caller
        return AuditRecord(
            id=new_id(now),
            at=now,
            caller=caller.id,
            client=caller.name,
            roles=tuple(sorted(caller.roles)),
            address=act.address,
            action=act.action,
            resource=act.resource,
            method=act.method,
            path=act.path,
            correlation_id=act.correlation_id,
            client_request_id=act.client_request_id,
            user_agent=act.user_agent,
        )

    def _ended(self, record: AuditRecord, outcome: Outcome) -> AuditRecord:
        return record.but(
            ended_at=self._clock.now(),
            status=AuditStatus.SUCCEEDED if outcome.code < 400 else AuditStatus.FAILED,
            code=outcome.code,
            error=outcome.error,
            operation=outcome.operation,
        )
