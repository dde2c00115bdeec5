"""What becomes of resources, kept beside who did what: the lines of the host's log that tell it.

Only lines with one of the actions below are kept, and so many a minute: a deployment that dies
all the time fills no log.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.errors import DomainError
from domain.ground.flushing import Flushing
from domain.ports import AuditLog, AuditRecord, AuditStatus, Clock
from domain.ports.audit_log import STORY, new_id

_log = logging.getLogger(__name__)

KEPT: Final = frozenset(
    {
        *("endpoint_created", "endpoint_updated", "endpoint_deleted", "operation_begun"),
        *("traffic_moved", "rollout_begun", "rollout_step", "rollout_completed"),
        *("rollout_rolled_back", "rollout_ended"),
        *("deployment_ready", "deployment_failed", "deployment_deleted"),
        *("deployment_scaled", "deployment_scale_bounded", "deployment_slept", "deployment_woken"),
        *("instance_ready", "instance_unready", "instance_died", "instance_given_up"),
        *("instance_restarted", "instance_stopped", "outlier_left_out"),
        *("job_created", "job_status", "job_threshold_exceeded", "job_expired", "worker_lost"),
        *("drop_started", "drop_empty", "schedule_fired", "schedule_failed"),
        *("event_started_job", "budget_passed", "alert_fired", "alert_resolved"),
    }
)
LOGGER: Final = "ml_endpoints"
MOST_A_MINUTE: Final = 120
_LONGEST: Final = 1000
_TICK: Final = timedelta(microseconds=1)
_REMEMBERED: Final = 1000


class _Ear(logging.Handler):
    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.INFO)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record)


class StoryKeeping:
    """Kept `period` seconds after they were told. Lines may come from any thread; one event loop
    owns the rest."""

    def __init__(self, log: AuditLog, clock: Clock, *, period: float) -> None:
        self._audit = log
        self._clock = clock
        self._ear = _Ear(self._hear)
        self._last = datetime.min.replace(tzinfo=UTC)
        self._waiting: deque[AuditRecord] = deque(maxlen=MOST_A_MINUTE * 10)
        self._who: OrderedDict[str, str] = OrderedDict()
        self._minute = 0
        self._count = 0
        self._left_out = 0
        self._flushing = Flushing(self.flush, lambda: bool(self._waiting), period=period)

    def listen(self) -> None:
        """Keep what this process tells from now on."""
        logging.getLogger(LOGGER).addHandler(self._ear)

    async def end(self) -> None:
        """Keep what is left, and no more."""
        logging.getLogger(LOGGER).removeHandler(self._ear)
        await self._flushing.end()
        await self.flush()

    def _hear(self, line: logging.LogRecord) -> None:
        told = line.__dict__
        if told.get("action") not in KEPT:
            return
        self._waiting.extend(self._records(line, told))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # Another thread's: it is kept with the next.
        self._flushing.ask()

    async def flush(self) -> None:
        """Keep what waits. What the log does not take is tried again the next time."""
        while self._waiting:
            record = self._waiting.popleft()
            try:
                await self._audit.append(record)
            except DomainError as error:
                self._waiting.appendleft(record)
                _log.warning("What has become of resources is kept later: %r", error)
                return

    def _records(self, line: logging.LogRecord, told: Mapping[str, Any]) -> list[AuditRecord]:
        """The line's, unless there were too many of late; then, later, how many those were."""
        minute, found = int(self._clock.now().timestamp() // 60), list[AuditRecord]()
        if minute != self._minute:
            if self._left_out:
                text = f"{self._left_out} more lines came within a minute: the host's log has them"
                found.append(self._record(line, "left_out", "", text))
            self._minute, self._count, self._left_out = minute, 0, 0
        self._count += 1
        if self._count > MOST_A_MINUTE:
            self._left_out += 1
            return found
        record = self._record(line, told["action"], _resource(told), line.getMessage())
        operation = str(told.get("operation") or "")
        return [*found, record.but(operation=operation, caller=self._caller(told, operation))]

    def _caller(self, told: Mapping[str, Any], operation: str) -> str:
        """Who began it, as far as this process was told: of an operation, or of a job."""
        about = operation or str(told.get("job") or "")
        by = told.get("by") or told.get("createdBy")
        if by and about:
            self._who[about] = str(by)
            if len(self._who) > _REMEMBERED:
                self._who.popitem(last=False)
        return str(by or self._who.get(about, ""))

    def _record(
        self, line: logging.LogRecord, action: str, resource: str, text: str
    ) -> AuditRecord:
        """Each after the one before, however quickly they came."""
        at = self._last = max(self._clock.now(), self._last + _TICK)
        bad = line.levelno >= logging.WARNING
        return AuditRecord(
            id=new_id(at),
            at=at,
            ended_at=at,
            status=AuditStatus.FAILED if bad else AuditStatus.SUCCEEDED,
            action=f"{STORY}{action}",
            resource=resource,
            text=text.partition("\n")[0][:_LONGEST],
        )


def _resource(told: Mapping[str, Any]) -> str:
    """What the line is about, as a path below the workspace."""
    if budget := told.get("budget"):
        return f"budgets/{budget}"
    endpoint, deployment, job = (told.get(name) for name in ("endpoint", "deployment", "job"))
    if not endpoint:
        return f"jobs/{job}" if job else ""
    if job:
        return f"batchEndpoints/{endpoint}/jobs/{job}"
    kind = str(told.get("kind") or str(told.get("operation") or "").partition(":")[0])
    path = f"{kind or 'onlineEndpoints'}/{endpoint}"
    return f"{path}/deployments/{deployment}" if deployment else path
