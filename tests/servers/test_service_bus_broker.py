"""The broker that stands in for Service Bus, as azure-servicebus finds it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.servicebus import (
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusError,
)

pytest.importorskip("proton", reason="python-qpid-proton is missing; `make test` installs it")

from tests.kit.clocks import HeldClock
from tests.kit.waiting import PATIENCE, patience
from tests.servers.service_bus.broker import Broker
from tests.servers.service_bus.messages import Stored
from tests.servers.service_bus.queue import Counts, Queue

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.cloud]


class Client:
    """The SDK's client, keeping hold of what it opens, to close all of it at once: to close
    one takes up to a second."""

    def __init__(self, connection_string: str) -> None:
        self._client = ServiceBusClient.from_connection_string(connection_string, retry_total=0)
        self._opened: list[ServiceBusSender | ServiceBusReceiver] = []

    def sender(self, queue: str) -> ServiceBusSender:
        sender = self._client.get_queue_sender(queue)
        self._opened.append(sender)
        return sender

    def receiver(self, queue: str, **options: Any) -> ServiceBusReceiver:
        receiver = self._client.get_queue_receiver(queue, **options)
        self._opened.append(receiver)
        return receiver

    async def close(self) -> None:
        await asyncio.gather(*(handler.close() for handler in self._opened))
        await self._client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(broker: Broker) -> AsyncIterator[Client]:
    client = Client(broker.connection_string)
    yield client
    await client.close()


def put(queue: Queue, *bodies: str) -> None:
    """Without the half second that it costs to open a sender."""
    for body in bodies:
        queue.put(Stored.made(body.encode()))


async def one(receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
    (message,) = await receiver.receive_messages(1, max_wait_time=PATIENCE)
    return message


async def some(receiver: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    """The SDK returns what has come a moment after the first."""
    found: list[ServiceBusReceivedMessage] = []
    async with patience():
        while len(found) < count:
            found += await receiver.receive_messages(count - len(found), max_wait_time=PATIENCE)
    return found


async def test_messages_keep_their_content_and_properties(broker: Broker, client: Client) -> None:
    clock = HeldClock(float(int(time.time())))
    entity = broker.add("kept", lock_duration=10 * PATIENCE, now=clock.unix)
    sent = ServiceBusMessage(
        b"\x00\x53\x75 not a section",
        message_id="an id",
        subject="a subject",
        content_type="application/json",
        application_properties={"text": "ü", "number": 5, "yes": True, "bytes": b"\x00"},
    )
    await client.sender(entity.name).send_messages(sent)
    message = await one(client.receiver(entity.name))
    assert b"".join(message.body) == b"\x00\x53\x75 not a section"
    assert (message.message_id, message.subject) == ("an id", "a subject")
    assert message.application_properties == {
        b"text": b"\xc3\xbc",
        b"number": 5,
        b"yes": True,
        b"bytes": b"\x00",
    }
    assert (message.sequence_number, message.delivery_count) == (1, 0)
    assert message.enqueued_time_utc is not None
    assert message.locked_until_utc is not None
    lasts = message.locked_until_utc - message.enqueued_time_utc
    assert lasts == timedelta(seconds=10 * PATIENCE)


async def test_a_batch_is_one_transfer_of_many_messages(
    broker: Broker, client: Client, entity: Queue
) -> None:
    before = broker.transfers
    sender = client.sender(entity.name)
    await sender.send_messages([ServiceBusMessage(f"{n}" * 500) for n in range(9)])
    assert broker.transfers == before + 1
    assert entity.counts().active == 9
    receiver = client.receiver(entity.name)
    messages = await some(receiver, 9)
    assert [str(message) for message in messages] == [f"{n}" * 500 for n in range(9)]


async def test_every_way_to_settle_a_message(client: Client, entity: Queue) -> None:
    put(entity, "complete", "abandon", "defer", "dead-letter")
    receiver = client.receiver(entity.name)
    first, second, third, fourth = await some(receiver, 4)
    await receiver.complete_message(first)
    await receiver.defer_message(third)
    await receiver.dead_letter_message(fourth, reason="because", error_description="it is so")
    await receiver.abandon_message(second)
    assert entity.counts() == Counts(active=1, scheduled=0, locked=0, deferred=1, dead_lettered=1)

    again = await one(receiver)
    assert (str(again), again.delivery_count) == ("abandon", 1)
    with pytest.raises(MessageAlreadySettled):
        await receiver.complete_message(first)

    (deferred,) = await receiver.receive_deferred_messages(third.sequence_number or 0)
    assert str(deferred) == "defer"
    await receiver.complete_message(deferred)

    dead = client.receiver(entity.name, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
    letter = await one(dead)
    assert letter.dead_letter_reason == "because"
    assert letter.dead_letter_error_description == "it is so"
    await dead.complete_message(letter)
    assert entity.counts().dead_lettered == 0


async def test_a_message_delivered_too_often_is_dead_lettered(
    broker: Broker, client: Client
) -> None:
    entity = broker.add("twice", max_delivery_count=2)
    put(entity, "bad")
    receiver = client.receiver(entity.name)
    for count in range(2):
        message = await one(receiver)
        assert message.delivery_count == count
        await receiver.abandon_message(message)
    assert entity.counts().dead_lettered == 1
    dead = client.receiver(entity.name, sub_queue="deadletter")
    assert (await one(dead)).dead_letter_reason == "MaxDeliveryCountExceeded"


async def test_a_lock_that_ends_gives_its_message_to_another(client: Client, entity: Queue) -> None:
    put(entity, "work")
    receiver = client.receiver(entity.name)
    message = await one(receiver)
    assert entity.expire_locks() == 1
    with pytest.raises(MessageLockLostError):
        await receiver.renew_message_lock(message)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(message)
    again = await one(receiver)
    assert again.delivery_count == 1
    await receiver.complete_message(again)


async def test_a_lock_ends_by_itself_unless_it_is_renewed(broker: Broker, client: Client) -> None:
    clock = HeldClock(float(int(time.time())))
    entity = broker.add("short", lock_duration=PATIENCE, now=clock.unix)
    put(entity, "work")
    receiver = client.receiver(entity.name)
    message = await one(receiver)
    until = message.locked_until_utc
    assert until is not None
    clock.move(0.5 * PATIENCE)
    assert await receiver.renew_message_lock(message) > until
    clock.move(0.9 * PATIENCE)
    assert entity.counts().locked == 1
    clock.move(0.1 * PATIENCE)
    assert entity.counts().locked == 0
    again = await one(receiver)
    assert again.delivery_count == 1


async def test_messages_are_peeked_scheduled_and_cancelled(client: Client, entity: Queue) -> None:
    sender = client.sender(entity.name)
    later = datetime.now(UTC) + timedelta(hours=1)
    numbers = await sender.schedule_messages(
        [ServiceBusMessage("a"), ServiceBusMessage("b")], later
    )
    assert len(numbers) == 2
    await sender.cancel_scheduled_messages(numbers[0])
    with pytest.raises(ServiceBusError):
        await sender.cancel_scheduled_messages(numbers[0])
    soon = ServiceBusMessage(
        "c", scheduled_enqueue_time_utc=datetime.now(UTC) + timedelta(0.1 / 86400)
    )
    await sender.send_messages(soon)
    receiver = client.receiver(entity.name)
    arrived = await one(receiver)
    assert str(arrived) == "c"
    await receiver.complete_message(arrived)
    (peeked,) = await receiver.peek_messages(5, sequence_number=1)
    assert str(peeked) == "b"
    assert peeked.scheduled_enqueue_time_utc is not None
    assert entity.counts() == Counts(active=0, scheduled=1, locked=0, deferred=0, dead_lettered=0)


async def test_receive_and_delete_leaves_nothing(client: Client, entity: Queue) -> None:
    put(entity, "gone")
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    receiver = client.receiver(entity.name, receive_mode=mode)
    assert str(await one(receiver)) == "gone"
    assert entity.counts() == Counts(0, 0, 0, 0, 0)


async def test_receivers_share_what_there_is(client: Client, entity: Queue) -> None:
    receivers = [client.receiver(entity.name) for _ in range(2)]
    receiving = [asyncio.create_task(one(receiver)) for receiver in receivers]
    put(entity, "a", "b")
    assert {str(message) for message in await asyncio.gather(*receiving)} == {"a", "b"}


async def test_a_message_over_256_kb_is_refused(client: Client, entity: Queue) -> None:
    sender = client.sender(entity.name)
    await sender.send_messages(ServiceBusMessage("x" * 250_000))
    with pytest.raises(MessageSizeExceededError):
        await sender.send_messages(ServiceBusMessage("x" * 256 * 1024))
    assert entity.counts().active == 1


async def test_a_queue_that_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(MessagingEntityNotFoundError, match="could not be found"):
        await client.sender("nowhere").send_messages(ServiceBusMessage("x"))


async def test_a_wrong_key_does_not_get_in(broker: Broker, entity: Queue) -> None:
    wrong = broker.connection_string.replace("SharedAccessKey=", "SharedAccessKey=not-")
    client = Client(wrong)
    with pytest.raises(ServiceBusAuthenticationError):
        await client.sender(entity.name).send_messages(ServiceBusMessage("x"))
    await client.close()


@pytest.mark.parametrize(
    "bytes_sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x02\x02\x00\x00\x00"]
)
async def test_who_does_not_speak_amqp_is_shown_out(broker: Broker, bytes_sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    writer.write(bytes_sent)
    try:
        async with patience():
            await reader.read()
            assert await reader.read() == b""
    except ConnectionResetError:
        pass
    finally:
        writer.close()


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers.service_bus", "--queues", "a,b"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with patience():
        said = (await process.stdout.readline()).decode().strip()
        client = Client(said)
        await client.sender("b").send_messages(ServiceBusMessage("x"))
        assert str(await one(client.receiver("b"))) == "x"
        await client.close()
        process.stdin.close()
        assert await process.wait() == 0
