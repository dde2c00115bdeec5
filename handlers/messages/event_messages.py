"""Queue messages that take events further: out to subscribers, and in to jobs."""

import json

import azure.functions as func

from domain.errors import NewerSchema
from domain.events.event_delivering import EventDelivering
from domain.events.event_dispatching import EventDispatching
from domain.events.subscription_validating import SubscriptionValidating
from domain.ground.giving_back import GivingBack
from domain.ground.messages import (
    EVENTS_QUEUE,
    DeliverEvents,
    DispatchEvent,
    InvokeByEvent,
    ValidateSubscription,
)
from domain.inbound.event_invoking import EventInvoking
from handlers.messages.deliveries import (
    SERVICE_BUS,
    is_redelivered,
    left_to_newer,
    waits_out_faults,
)
from handlers.tracing import traced_message


def blueprint(
    dispatching: EventDispatching,
    delivering: EventDelivering,
    validating: SubscriptionValidating,
    invoking: EventInvoking,
    giving_back: GivingBack,
) -> func.Blueprint:
    bp = func.Blueprint()

    @bp.function_name("handle_event")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=EVENTS_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(EVENTS_QUEUE)
    @left_to_newer(EVENTS_QUEUE, giving_back)
    @waits_out_faults(EVENTS_QUEUE, giving_back)
    async def handle_event(message: func.ServiceBusMessage) -> None:
        body = json.loads(message.get_body())
        match body["work"]:
            case "DispatchEvent":
                await dispatching.dispatch(DispatchEvent.from_document(body))
            case "DeliverEvents":
                again = is_redelivered(message)
                await delivering.deliver(DeliverEvents.from_document(body), redelivered=again)
            case "ValidateSubscription":
                await validating.validate(ValidateSubscription.from_document(body))
            case "InvokeByEvent":
                await invoking.invoke(InvokeByEvent.from_document(body))
            case other:
                raise NewerSchema(f"No work with events that is known here is called {other!r}.")

    return bp
