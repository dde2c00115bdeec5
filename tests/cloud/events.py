"""Events that a host sends to a topic of its Service Bus, as who receives them sees them."""

import json
from collections.abc import Callable
from typing import Any

from azure.servicebus import ServiceBusClient

from outside.running_host import RunningHost
from tests.kit.waiting import until

Event = dict[str, Any]


def subscribe(host: RunningHost, topic: str) -> None:
    """Everything is told to `topic`; Active when this returns."""
    destination = {"endpointType": "ServiceBusTopic", "properties": {"entityName": topic}}
    path = "eventSubscriptions/everything"
    host.workspace.call("PUT", path, {"properties": {"destination": destination}})
    until(
        lambda: host.workspace.get(path)["properties"]["state"] == "Active",
        what="an active subscription",
    )


def come(connection_string: str, entity: str, enough: Callable[[list[Event]], bool]) -> list[Event]:
    """The events that have come, each once, when they are `enough`."""
    found: dict[str, Event] = {}
    with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_receiver(entity) as receiver,
    ):

        def told() -> list[Event] | None:
            for message in receiver.receive_messages(max_message_count=50, max_wait_time=1):
                event = json.loads(b"".join(message.body))
                assert event["id"] == message.message_id
                found[event["id"]] = event
                receiver.complete_message(message)
            come = list(found.values())
            return come if enough(come) else None

        return until(told, f"enough events in {entity}")
