"""The embedded host's listener drives functions over Service Bus as over its own queues."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from domain.ports import Message
from infra.cloud.queues.service_bus import ServiceBus
from infra.cloud.queues.service_bus_consumer import ServiceBusConsumer
from infra.cloud.queues.service_bus_work_queue import ServiceBusWorkQueue
from infra.embedded.host.functions import index
from infra.embedded.host.invocation import begin, operation_id
from infra.embedded.host.queue_delivery import Listening
from infra.embedded.host.queue_listener import QueueListener

pytest.importorskip("proton", reason="python-qpid-proton is missing; `make test` installs it")

from tests.kit.waiting import PATIENCE, eventually
from tests.servers.service_bus.broker import Broker
from tests.servers.service_bus.queue import Queue

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.cloud,
    # The SDK never closes the transport of a connection that it lost.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

TRACE = "0af7651916cd43dd8448eb211c80319c"
Handler = Callable[[func.ServiceBusMessage], Awaitable[None]]
Listen = Callable[..., QueueListener]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def queue(bus: ServiceBus) -> AsyncIterator[ServiceBusWorkQueue]:
    queue = ServiceBusWorkQueue(bus)
    yield queue
    await queue.close()


@pytest_asyncio.fixture(loop_scope="module")
async def consumer(bus: ServiceBus) -> AsyncIterator[ServiceBusConsumer]:
    consumer = ServiceBusConsumer(bus)
    yield consumer
    await consumer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def listen(consumer: ServiceBusConsumer) -> AsyncIterator[Listen]:
    """Start a listener to a queue that calls the given handler."""
    listeners: list[QueueListener] = []

    def start(entity: Queue, handler: Handler, **listening: Any) -> QueueListener:
        app = func.FunctionApp()

        @app.service_bus_queue_trigger(arg_name="msg", queue_name=entity.name, connection="Bus")
        async def handle_work(msg: func.ServiceBusMessage) -> None:
            await handler(msg)

        options = {
            "max_concurrent_calls": 16,
            "max_renewal": timedelta(minutes=5),
            "max_delivery": 3,
            "first_delay": 0.01,
            **listening,
        }
        (function,) = index(app, {})
        listeners.append(QueueListener(function, consumer, Listening(**options)))
        listeners[-1].start()
        return listeners[-1]

    yield start
    await asyncio.gather(*(listener.stop(0) for listener in listeners))


def idle(entity: Queue) -> bool:
    counts = entity.counts()
    return counts.active + counts.locked == 0


async def test_a_message_reaches_its_function_with_its_trace(
    entity: Queue, queue: ServiceBusWorkQueue, listen: Listen
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handler(msg: func.ServiceBusMessage) -> None:
        seen.append((json.loads(msg.get_body()), msg.delivery_count, operation_id()))

    async def send() -> None:
        begin("sender", f"00-{TRACE}-b7ad6b7169203331-01")
        await queue.send(entity.name, Message({"job": "a"}))

    await asyncio.create_task(send())
    listen(entity, handler)
    await eventually(lambda: seen and idle(entity))
    assert seen == [({"job": "a"}, 1, TRACE)]


async def test_a_failing_message_comes_again_and_is_dead_lettered_with_the_reason(
    entity: Queue, queue: ServiceBusWorkQueue, listen: Listen
) -> None:
    counts: list[int | None] = []

    async def handler(msg: func.ServiceBusMessage) -> None:
        counts.append(msg.delivery_count)
        raise ValueError("broken for good")

    await queue.send(entity.name, Message({}))
    listen(entity, handler)
    await eventually(lambda: entity.counts().dead_lettered)
    assert counts == [1, 2, 3]
    assert entity.dead_letters is not None
    (letter,) = entity.dead_letters.peek(0, 5)
    assert letter.dead_letter == {
        "DeadLetterReason": "MaxDeliveryCountExceeded",
        "DeadLetterErrorDescription": "ValueError: broken for good",
    }
    assert idle(entity)


async def test_a_long_invocation_keeps_its_lock(
    broker: Broker, queue: ServiceBusWorkQueue, listen: Listen
) -> None:
    entity = broker.add("long", lock_duration=10 * PATIENCE)
    calls, go_on = 0, asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        nonlocal calls
        calls += 1
        await go_on.wait()

    await queue.send(entity.name, Message({}))
    listen(entity, handler, lock=timedelta(seconds=1))
    await eventually(lambda: calls)
    [first] = entity.locked_until()
    # Three times a second.
    await eventually(lambda: entity.locked_until() > [first])
    assert entity.counts().locked == 1
    go_on.set()
    await eventually(lambda: idle(entity))
    assert calls == 1


async def test_messages_are_handled_side_by_side_whatever_the_network_does(
    broker: Broker, queue: ServiceBusWorkQueue, listen: Listen
) -> None:
    entity = broker.add("stormy", lock_duration=10 * PATIENCE)
    handled: set[int] = set()
    running = most = 0
    four = asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 4:
            four.set()
        await four.wait()
        running -= 1
        handled.add(json.loads(msg.get_body())["n"])

    await queue.send(entity.name, *[Message({"n": n}) for n in range(60)])
    listen(entity, handler, max_concurrent_calls=4)
    await eventually(lambda: len(handled) > 10)
    # A message that was on its way when its connection went comes again when its lock ends.
    broker.drop_connections()
    entity.expire_locks()
    await eventually(lambda: len(handled) > 30)
    broker.detach(entity.name)
    entity.expire_locks()
    await eventually(lambda: idle(entity))
    assert handled == set(range(60))
    assert most == 4


async def test_a_host_that_stops_gives_back_what_does_not_end_in_time(
    entity: Queue,
    queue: ServiceBusWorkQueue,
    consumer: ServiceBusConsumer,
    listen: Listen,
) -> None:
    begun = asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        begun.set()
        await asyncio.Event().wait()

    await queue.send(entity.name, Message({}))
    listener = listen(entity, handler)
    await begun.wait()
    await listener.stop(0.05)
    await consumer.close()
    await eventually(lambda: entity.counts().active == 1)
