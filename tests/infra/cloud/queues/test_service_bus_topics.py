"""Events to topics and queues of Service Bus, over its protocol."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusReceivedMessage

from domain import errors
from domain.ports import EventMessage
from infra.cloud.queues.service_bus import Patience, ServiceBus
from infra.cloud.queues.service_bus_topics import OWN_QUEUES, ServiceBusTopics

pytest.importorskip("proton", reason="python-qpid-proton is missing; `make test` installs it")

from tests.kit.waiting import PATIENCE, patience
from tests.servers.service_bus.broker import Broker
from tests.servers.service_bus.faults import BUSY
from tests.servers.service_bus.queue import Queue

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.cloud,
    # The SDK never closes the transport of a connection that it lost.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

EVENT = EventMessage(
    id="e1",
    body=json.dumps({"specversion": "1.0", "id": "e1"}).encode(),
    content_type="application/cloudevents+json; charset=utf-8",
    subject="MlEndpoints.Job.Failed",
    properties={"cloudEvents:type": "MlEndpoints.Job.Failed"},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def topics(bus: ServiceBus) -> AsyncIterator[ServiceBusTopics]:
    topics = ServiceBusTopics(bus, patience=Patience(attempt=PATIENCE, budget=PATIENCE))
    yield topics
    await topics.close()


async def test_an_event_goes_to_a_topic_or_a_queue_with_its_id_and_type(
    bus: ServiceBus, entity: Queue, topics: ServiceBusTopics
) -> None:
    await topics.send("topic", entity.name, EVENT)
    await topics.send("queue", entity.name.upper(), EVENT)
    receiver = bus.receiver(entity.name)
    async with receiver:
        found: list[ServiceBusReceivedMessage] = []
        async with patience():
            while len(found) < 2:
                found += await receiver.receive_messages(1, max_wait_time=PATIENCE)
                await receiver.complete_message(found[-1])
    assert len(found) == 2
    for message in found:
        assert b"".join(message.body) == EVENT.body
        assert (message.message_id, message.subject) == ("e1", "MlEndpoints.Job.Failed")
        assert message.content_type == EVENT.content_type
        properties = message.application_properties or {}
        assert {str(_text(k)): _text(v) for k, v in properties.items()} == EVENT.properties


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


async def test_one_that_is_not_there_may_come_yet(topics: ServiceBusTopics) -> None:
    with pytest.raises(errors.Unavailable, match="could not be found"):
        await topics.send("topic", "nobody-made-this", EVENT)


async def test_a_busy_service_is_asked_again(
    broker: Broker, entity: Queue, topics: ServiceBusTopics
) -> None:
    broker.faults.sends.append(BUSY)
    await topics.send("topic", entity.name, EVENT)
    assert entity.counts().active == 1


async def test_the_apps_own_queues_are_closed_to_events(topics: ServiceBusTopics) -> None:
    assert {"events", "mini-batches", "provisioning"} <= OWN_QUEUES
    for name in OWN_QUEUES:
        assert topics.fault("queue", name.upper())
    for name in ("", "/x", "x" * 300, "a b", "x\n", "x/$DeadLetterQueue"):
        assert topics.fault("topic", name), name
    assert topics.fault("topic", "facts") is None
