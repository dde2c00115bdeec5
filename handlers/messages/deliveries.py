"""What a delivery of a queue's message tells, whatever it asks for."""

import functools
import json
from collections.abc import Awaitable, Callable

import azure.functions as func

from domain.errors import NewerSchema, Throttled, Unavailable
from domain.ground.giving_back import GivingBack
from domain.ground.messages import GIVEN_BACK

SERVICE_BUS = "ServiceBusConnection"
"""The setting that holds the connection."""

_PATIENT = 3
"""Deliveries that fail at most before a fault that may pass is waited out."""

OnMessage = Callable[[func.ServiceBusMessage], Awaitable[None]]


def left_to_newer(queue: str, giving_back: GivingBack) -> Callable[[OnMessage], OnMessage]:
    """Gives back what `handler` cannot do because a newer version is at work: the message is
    its, or a document that has to be read."""

    def decorate(handler: OnMessage) -> OnMessage:
        @functools.wraps(handler)
        async def understood(message: func.ServiceBusMessage) -> None:
            properties = properties_of(message)
            try:
                giving_back.check(queue, properties)
                await handler(message)
            except NewerSchema as newer:
                body = json.loads(message.get_body())
                await giving_back.give_back(queue, body, properties, newer)

        return understood

    return decorate


def waits_out_faults(queue: str, giving_back: GivingBack) -> Callable[[OnMessage], OnMessage]:
    """Keeps a message that drives a process while a store or a compute is out: put aside, the
    process would wait for the sweep to miss it, which may be a quarter of an hour."""

    def decorate(handler: OnMessage) -> OnMessage:
        @functools.wraps(handler)
        async def kept(message: func.ServiceBusMessage) -> None:
            try:
                await handler(message)
            except NewerSchema:
                raise
            except (Unavailable, Throttled) as fault:
                if (message.delivery_count or 1) < _PATIENT:
                    raise
                body = json.loads(message.get_body())
                await giving_back.wait_out(queue, body, properties_of(message), fault)

        return kept

    return decorate


def is_redelivered(message: func.ServiceBusMessage) -> bool:
    """Whether an earlier delivery of this message did not end well. The count is 1 at first."""
    return (message.delivery_count or 1) > 1 or GIVEN_BACK in properties_of(message)


def properties_of(message: func.ServiceBusMessage) -> dict[str, str]:
    """What travelled beside the body."""
    return {name: str(value) for name, value in (message.application_properties or {}).items()}
