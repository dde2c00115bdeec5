"""An event of another system that a mapping has taken, and what became of it."""

import hashlib
from datetime import timedelta
from enum import StrEnum

from domain.ground.operation import ErrorRecord
from domain.inbound.inbound_event import InboundEvent
from domain.jobs.records.job_request import JobProperties
from domain.ports import Document, Json
from domain.values import Value

KIND = "receivedEvent"
COUNTS_KIND = "receivedEventCounts"
COUNTS_ID = "counts"

RETENTION = timedelta(days=7)
"""How long after its end an event can be read, and is known when it comes again. (The job's
idempotency key knows it for longer.)"""


def partition(uid: str) -> str:
    return f"receivedEvents/{uid}"


def received_id(event: InboundEvent) -> str:
    return "event:" + hashlib.sha256(f"{event.source}\n{event.id}".encode()).hexdigest()


class ReceivedStatus(StrEnum):
    """ACCEPTED: its job is yet to be started."""

    ACCEPTED = "Accepted"
    STARTED = "Started"
    FAILED = "Failed"


class ReceivedEvent(Value):
    """`asked` is the job that the mapping made of the event; `since` is in Unix seconds."""

    key: str
    event_id: str
    source: str
    type: str
    subject: str
    since: float
    status: ReceivedStatus = ReceivedStatus.ACCEPTED
    endpoint: str
    deployment: str | None = None
    asked: JobProperties | None = None
    job: str | None = None
    error: ErrorRecord | None = None
    attempts: int = 0

    def to_body(self) -> Json:
        return {"kind": KIND, "received": self.to_document()}

    def ended(self, status: ReceivedStatus, job: str | None, error: ErrorRecord | None) -> Json:
        """The body once nothing is left to do: what it asked for is in the job."""
        return self.but(status=status, job=job, error=error, asked=None).to_body()


def received_of(document: Document) -> ReceivedEvent:
    return ReceivedEvent.from_document(document.body["received"])
