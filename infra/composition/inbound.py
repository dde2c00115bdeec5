"""Events of other systems, and the jobs that they start."""

from domain.inbound.activities import InboundActivities
from domain.inbound.event_invoking import EventInvoking
from domain.inbound.event_mappings import EventMappings
from domain.inbound.event_receiving import EventReceiving
from domain.jobs.invoking.job_invocation import JobInvocation
from infra.composition.ground import Ground


def compose_inbound(ground: Ground, *, invocation: JobInvocation) -> InboundActivities:
    a = ground.adapters
    mappings = EventMappings(a.store, a.clock, a.cipher, ground.location)
    return InboundActivities(
        mappings=mappings,
        receiving=EventReceiving(a.store, a.queue, a.clock, mappings, ground.sums),
        invoking=EventInvoking(a.store, a.queue, a.clock, invocation),
    )
