"""What is done with events of other systems, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.driving.sweeping import Resume
from domain.inbound import received_event
from domain.inbound.event_invoking import EventInvoking
from domain.inbound.event_mappings import EventMappings
from domain.inbound.event_receiving import EventReceiving


@dataclass(frozen=True)
class InboundActivities:
    mappings: EventMappings
    receiving: EventReceiving
    invoking: EventInvoking

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {received_event.KIND: self.invoking.resume}
