"""Queue messages that take events further: out to subscribers, and in to jobs."""

import json

import azure.functions as func

from domain.events.event_delivering import EventDelivering
from domain.events.event_dispatching import EventDispatching
from domain.events.subscription_validating import SubscriptionValidating
from domain.ground.messages import (
    EVENTS_QUEUE,
    DeliverEvents,
    DispatchEvent,
    InvokeByEvent,
    ValidateSubscription,
)
from domain.inbound.event_invoking import EventInvoking
from handlers.messages.batch_messages import is_redelivered
from handlers.messages.provisioning_messages import SERVICE_BUS
from handlers.tracing import traced_message


def blueprint(
    dispatching: EventDispatching,
    delivering: EventDelivering,
    validating: SubscriptionValidating,
    invoking: EventInvoking,
) -> func.Blueprint:
    bp = func.Blueprint()

    @bp.function_name("handle_event")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=EVENTS_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(EVENTS_QUEUE)
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
                raise ValueError(f"no such work with events: {other!r}")

    return bp
