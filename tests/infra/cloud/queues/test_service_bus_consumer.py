"""Receiving from Service Bus for the embedded host, and what may go wrong with it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import pytest_asyncio

from domain import errors
from infra.cloud.queues.service_bus import Patience, ServiceBus
from infra.cloud.queues.service_bus_consumer import ServiceBusConsumer
from infra.rules.queue_consumer import LockLost, Received

pytest.importorskip("proton", reason="python-qpid-proton is missing; `make test` installs it")

from tests.infra.cloud.changed_patience import change
from tests.kit.waiting import PATIENCE, eventually, patience
from tests.servers.service_bus.broker import Broker
from tests.servers.service_bus.faults import BUSY, Detach, Drop, Ignore
from tests.servers.service_bus.messages import Stored
from tests.servers.service_bus.queue import Queue

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.cloud,
    # The SDK never closes the transport of a connection that it lost.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

_PATIENCE = Patience(attempt=PATIENCE, budget=PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def consumer(bus: ServiceBus) -> AsyncIterator[ServiceBusConsumer]:
    consumer = ServiceBusConsumer(bus, patience=_PATIENCE)
    yield consumer
    await consumer.close()


async def one(consumer: ServiceBusConsumer, queue: Queue) -> Received:
    async with patience():
        while True:
            try:
                await consumer.wait(queue.name, PATIENCE)
            except errors.Unavailable:
                continue
            for received in await consumer.receive(queue.name, 1, timedelta(seconds=PATIENCE)):
                return received


async def test_a_message_comes_with_what_its_sender_said(
    broker: Broker, consumer: ServiceBusConsumer
) -> None:
    now = float(int(time.time()))
    entity = broker.add("said", lock_duration=10 * PATIENCE, now=lambda: now)
    entity.put(Stored.made(b'{"n":1}', {"traceparent": "00-a-b-01", "n": 5}))
    received = await one(consumer, entity)
    assert received.body == b'{"n":1}'
    assert received.properties == {"traceparent": "00-a-b-01", "n": "5"}
    assert (received.queue, received.sequence_number) == (entity.name, 1)
    assert received.delivery_count == 1
    assert received.locked_until - received.enqueued_at == timedelta(seconds=10 * PATIENCE)
    await consumer.complete(received.lock_token)
    assert entity.counts().locked == 0


async def test_waiting_ends_when_something_comes_or_with_its_time(
    entity: Queue, consumer: ServiceBusConsumer
) -> None:
    assert not await consumer.receive(entity.name, 1, timedelta(seconds=PATIENCE))
    assert not await consumer.wait(entity.name, 0.05)
    waiting = asyncio.create_task(consumer.wait(entity.name, 3600))
    entity.put(Stored.made(b"x"))
    assert await waiting
    (received,) = await consumer.receive(entity.name, 16, timedelta(seconds=PATIENCE))
    await consumer.complete(received.lock_token)


async def test_a_wait_that_is_cancelled_while_its_link_opens_ends_at_once(
    entity: Queue, bus: ServiceBus, broker: Broker
) -> None:
    """At whatever step of opening: the SDK loses a cancellation that meets a frame."""
    for turns in range(0, 120, 3):
        consumer = ServiceBusConsumer(bus, patience=_PATIENCE)
        waiting = asyncio.create_task(consumer.wait(entity.name, 3600))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=PATIENCE)
        assert waiting.cancelled(), f"{turns} turns after it began"
        await consumer.close()


async def test_an_abandoned_message_comes_again_counted(
    entity: Queue, consumer: ServiceBusConsumer
) -> None:
    entity.put(Stored.made(b"x"))
    for count in (1, 2, 3):
        received = await one(consumer, entity)
        assert received.delivery_count == count
        await consumer.abandon(received.lock_token)
    assert entity.counts().active == 1


async def test_a_delay_keeps_an_abandoned_message_back(
    entity: Queue, consumer: ServiceBusConsumer
) -> None:
    entity.put(Stored.made(b"x"))
    first = await one(consumer, entity)
    began = asyncio.get_running_loop().time()
    await consumer.abandon(first.lock_token, timedelta(seconds=0.4))
    assert entity.counts().locked == 1
    second = await one(consumer, entity)
    assert asyncio.get_running_loop().time() - began >= 0.4
    assert second.delivery_count == 2


async def test_a_delay_is_no_longer_than_the_lock(entity: Queue, bus: ServiceBus) -> None:
    now = datetime.now(UTC)
    consumer = ServiceBusConsumer(bus, patience=_PATIENCE, now=lambda: now)
    entity.put(Stored.made(b"x"))
    first = await one(consumer, entity)
    # Just before its end, less what a settlement may take.
    now = first.locked_until - timedelta(seconds=3.2)
    await consumer.abandon(first.lock_token, timedelta(hours=1))
    again = await one(consumer, entity)
    assert now < first.locked_until
    assert again.delivery_count == 2
    await consumer.complete(again.lock_token)
    await consumer.close()


async def test_a_lost_lock_is_told_and_its_message_comes_again(
    entity: Queue, consumer: ServiceBusConsumer
) -> None:
    entity.put(Stored.made(b"x"))
    dead_letter = partial(consumer.dead_letter, reason="no")
    settlements: list[Callable[[str], Awaitable[object]]] = [
        consumer.complete,
        dead_letter,
        consumer.renew,
    ]
    for count, settle in enumerate(settlements, 1):
        received = await one(consumer, entity)
        assert received.delivery_count == count
        entity.expire_locks()
        with pytest.raises(LockLost):
            await settle(received.lock_token)


async def test_a_message_is_settled_once(entity: Queue, consumer: ServiceBusConsumer) -> None:
    entity.put(Stored.made(b"x"))
    lock = (await one(consumer, entity)).lock_token
    results = await asyncio.gather(
        consumer.complete(lock), consumer.complete(lock), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["LockLost", "NoneType"]
    with pytest.raises(LockLost):
        await consumer.abandon(lock)


async def test_a_lock_is_renewed(entity: Queue, consumer: ServiceBusConsumer) -> None:
    entity.put(Stored.made(b"x"))
    received = await one(consumer, entity)
    assert await consumer.renew(received.lock_token) > received.locked_until
    await consumer.complete(received.lock_token)


async def test_a_dead_letter_says_why(entity: Queue, consumer: ServiceBusConsumer) -> None:
    entity.put(Stored.made(b"x"))
    received = await one(consumer, entity)
    await consumer.dead_letter(received.lock_token, "Broken", "it does not parse")
    assert entity.dead_letters is not None
    (letter,) = entity.dead_letters.peek(0, 5)
    assert letter.dead_letter == {
        "DeadLetterReason": "Broken",
        "DeadLetterErrorDescription": "it does not parse",
    }


async def test_settling_does_not_wait_for_those_who_wait(
    entity: Queue, consumer: ServiceBusConsumer
) -> None:
    for _ in range(20):
        entity.put(Stored.made(b"x"))
    held = [await one(consumer, entity) for _ in range(20)]
    waiting = asyncio.create_task(consumer.wait(entity.name, 3600))
    async with patience():
        for received in held:
            await consumer.complete(received.lock_token)
    assert not waiting.done()
    entity.put(Stored.made(b"x"))
    assert await waiting
    assert entity.counts().locked == 1


@pytest.mark.parametrize("fault", [Drop(), Drop(stored=True), Detach()])
async def test_a_link_lost_in_mid_receive_loses_no_message(
    broker: Broker, consumer: ServiceBusConsumer, fault: Drop | Detach
) -> None:
    entity = broker.add(f"mid-receive-{fault}", lock_duration=1.5)
    broker.faults.deliveries.append(fault)
    entity.put(Stored.made(b"x"))
    while True:
        # Its lock ends soon, so that it comes again soon: too soon for a slow machine, perhaps.
        received = await one(consumer, entity)
        assert received.body == b"x"
        with contextlib.suppress(LockLost):
            await consumer.complete(received.lock_token)
            break
    assert entity.counts().active + entity.counts().locked == 0


async def test_a_message_is_settled_after_its_connection_is_gone(
    broker: Broker, entity: Queue, consumer: ServiceBusConsumer
) -> None:
    for _ in range(2):
        entity.put(Stored.made(b"x"))
    first, second = await one(consumer, entity), await one(consumer, entity)
    broker.drop_connections()
    await consumer.complete(first.lock_token)
    broker.detach(entity.name)
    await consumer.complete(second.lock_token)
    counts = entity.counts()
    assert counts.active + counts.locked + counts.dead_lettered == 0


async def test_a_connection_lost_in_mid_settlement_is_made_good(
    broker: Broker, entity: Queue, consumer: ServiceBusConsumer
) -> None:
    for _ in range(2):
        entity.put(Stored.made(b"x"))
    first = await one(consumer, entity)
    broker.faults.settlements.append(Drop())
    await consumer.complete(first.lock_token)
    second = await one(consumer, entity)
    broker.faults.settlements.append(Drop(stored=True))
    with pytest.raises(LockLost):
        # It is done, but nobody can know.
        await consumer.complete(second.lock_token)
    assert not broker.faults.settlements
    assert entity.counts().active + entity.counts().locked == 0


async def test_a_busy_service_is_asked_again_to_renew(
    broker: Broker, entity: Queue, consumer: ServiceBusConsumer
) -> None:
    entity.put(Stored.made(b"x"))
    received = await one(consumer, entity)
    broker.faults.management.extend([BUSY, BUSY])
    await consumer.renew(received.lock_token)
    await consumer.complete(received.lock_token)


async def test_a_settlement_that_is_never_answered_can_be_tried_again(
    broker: Broker, entity: Queue, bus: ServiceBus
) -> None:
    own = replace(_PATIENCE)
    consumer = ServiceBusConsumer(bus, patience=own)
    entity.put(Stored.made(b"x"))
    received = await one(consumer, entity)
    change(own, attempt=0.5, budget=0.5)
    broker.faults.settlements.append(Ignore())
    with pytest.raises(errors.Unavailable):
        await consumer.complete(received.lock_token)
    await consumer.close()
    assert entity.counts().locked == 1


async def test_closing_gives_back_what_is_held(entity: Queue, bus: ServiceBus) -> None:
    consumer = ServiceBusConsumer(bus)
    for _ in range(2):
        entity.put(Stored.made(b"x"))
    received = await one(consumer, entity)
    await consumer.abandon(received.lock_token, timedelta(seconds=20))
    # Found, but not handed out.
    assert await consumer.wait(entity.name, PATIENCE)
    assert entity.counts().locked == 2
    await consumer.close()
    await eventually(lambda: entity.counts().active == 2)


async def test_a_queue_that_is_not_there_is_named(consumer: ServiceBusConsumer) -> None:
    with pytest.raises(errors.Unavailable, match="'nowhere' could not be found"):
        await consumer.wait("nowhere", PATIENCE)
