"""What is told of jobs and drops, counted as it is saved."""

from collections.abc import Sequence
from typing import Final

from domain.ground.counting.tally import Tally, batch_endpoint_subject
from domain.ground.facts import EventType, Fact
from domain.ports.records.figure_store import Series

_JOBS: Final = {
    EventType.JOB_CREATED: "Created",
    EventType.JOB_RUNNING: "Running",
    EventType.JOB_COMPLETED: "Completed",
    EventType.JOB_FAILED: "Failed",
    EventType.JOB_CANCELED: "Canceled",
}


class FactFigures:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def saved(self, facts: Sequence[Fact]) -> None:
        """Call it once the facts hold."""
        for fact in facts:
            if fact.type in _JOBS:
                subject = batch_endpoint_subject(fact.data["endpoint"])
                dimensions = fact.data["deployment"], _JOBS[fact.type]
                self._tally.add(Series(subject, "Jobs", dimensions))
            elif fact.type is EventType.DROP_SEALED:
                subject = batch_endpoint_subject(fact.data["endpoint"])
                self._tally.add(Series(subject, "DropsSealed"))
                self._tally.add(Series(subject, "DroppedFiles"), fact.data["files"])
