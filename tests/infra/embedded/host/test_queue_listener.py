"""Queue-triggered functions under Service Bus's rules, on the embedded work queue."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from domain.ports import Message
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.embedded.host.functions import AppError, index
from infra.embedded.host.invocation import begin, current_invocation, operation_id
from infra.embedded.host.queue_delivery import Listening
from infra.embedded.host.queue_listener import QueueListener
from tests.kit.clocks import HeldClock
from tests.kit.waiting import PATIENCE, eventually

Handler = Callable[[func.ServiceBusMessage], Awaitable[None]]
Listen = Callable[..., QueueListener]

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def clock() -> HeldClock:
    """The queue's: locks end and delays pass when it is moved."""
    return HeldClock()


@pytest.fixture
async def queue(tmp_path: Path, clock: HeldClock) -> AsyncIterator[SqliteWorkQueue]:
    work = SqliteWorkQueue(tmp_path / "queues.db", max_delivery_count=3, now=clock.unix)
    yield work
    await work.close()


@pytest.fixture
async def listen(queue: SqliteWorkQueue) -> AsyncIterator[Listen]:
    """Start a listener of `work` that calls the given handler."""
    listeners: list[QueueListener] = []

    def start(handler: Handler, **listening: Any) -> QueueListener:
        app = func.FunctionApp()

        @app.service_bus_queue_trigger(arg_name="msg", queue_name="work", connection="Bus")
        async def handle_work(msg: func.ServiceBusMessage) -> None:
            await handler(msg)

        options = {
            "max_concurrent_calls": 16,
            "max_renewal": timedelta(minutes=5),
            "max_delivery": 3,
            "first_delay": 0.0,
            **listening,
        }
        (function,) = index(app, {})
        listener = QueueListener(function, queue, Listening(**options))
        listeners.append(listener)
        listener.start()
        return listener

    yield start
    for listener in listeners:
        await listener.stop(0)


async def empty(queue: SqliteWorkQueue) -> bool:
    counts = await queue.counts("work")
    return counts.active + counts.waiting == 0


async def test_a_message_reaches_its_function_as_in_the_cloud(
    queue: SqliteWorkQueue, listen: Listen, clock: HeldClock
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handler(msg: func.ServiceBusMessage) -> None:
        seen.append((msg, operation_id(), current_invocation().function))

    async def send() -> None:
        begin("sender", f"00-{TRACE}-b7ad6b7169203331-01")
        await queue.send("work", Message({"job": "a"}))

    await asyncio.create_task(send())
    listen(handler)
    await eventually(lambda: seen)
    ((msg, operation, function),) = seen
    assert isinstance(msg, func.ServiceBusMessage)
    assert json.loads(msg.get_body()) == {"job": "a"}
    assert msg.delivery_count == 1
    assert msg.message_id
    assert msg.enqueued_time_utc is not None
    assert msg.enqueued_time_utc.timestamp() == clock.time
    assert msg.application_properties["traceparent"].split("-")[1] == TRACE
    assert msg.metadata is not None
    assert msg.metadata["DeliveryCount"] == 1
    assert (operation, function) == (TRACE, "handle_work")
    await eventually(lambda: empty(queue))


async def test_a_failed_message_comes_again_counted_and_later_each_time(
    queue: SqliteWorkQueue, listen: Listen, clock: HeldClock
) -> None:
    seen: list[int | None] = []

    async def handler(msg: func.ServiceBusMessage) -> None:
        seen.append(msg.delivery_count)
        if len(seen) < 3:
            raise ValueError("not yet")

    async def given_back() -> bool:
        counts = await queue.counts("work")
        return (counts.waiting, counts.locked) == (1, 0)

    await queue.send("work", Message({}))
    listen(handler, first_delay=0.125)
    for count, delay in ((1, 0.125), (2, 0.25)):
        await eventually(given_back)
        assert seen[-1] == count
        clock.move(0.99 * delay)
        assert not await queue.receive("work", 1, timedelta(seconds=3))
        clock.move(0.01 * delay)
        await eventually(lambda: len(seen) == count + 1)  # noqa: B023
    await eventually(lambda: empty(queue))
    assert seen == [1, 2, 3]
    assert not await queue.dead_messages("work", 0, 9)


async def test_after_the_last_delivery_a_message_is_dead_lettered_with_the_reason(
    queue: SqliteWorkQueue, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    async def handler(msg: func.ServiceBusMessage) -> None:
        nonlocal calls
        calls += 1
        raise ValueError("broken for good")

    await queue.send("work", Message({"job": "a"}))
    listen(handler)

    async def buried() -> bool:
        return bool(await queue.dead_messages("work", 0, 9))

    await eventually(buried)
    (letter,) = await queue.dead_messages("work", 0, 9)
    assert calls == 3
    assert letter.reason == "MaxDeliveryCountExceeded"
    assert letter.description == "ValueError: broken for good"
    assert await empty(queue)
    assert "failed for the last time" in caplog.text


async def test_a_delayed_message_waits(
    queue: SqliteWorkQueue, listen: Listen, clock: HeldClock
) -> None:
    seen: list[str] = []

    async def handler(msg: func.ServiceBusMessage) -> None:
        seen.append(json.loads(msg.get_body())["n"])

    listen(handler)
    await queue.send("work", Message({"n": "late"}, timedelta(seconds=0.3)), Message({"n": "now"}))
    await eventually(lambda: seen == ["now"])
    clock.move(0.3)
    await eventually(lambda: seen == ["now", "late"])


async def test_never_more_at_once_than_allowed_and_always_that_many(
    queue: SqliteWorkQueue, listen: Listen
) -> None:
    running = most = done = 0
    gate = asyncio.Semaphore(0)

    async def handler(msg: func.ServiceBusMessage) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await gate.acquire()
        running -= 1
        done += 1

    def reached(count: int) -> bool:
        return done == count

    await queue.send("work", *[Message({"n": n}) for n in range(20)])
    listen(handler, max_concurrent_calls=4)
    for expected in range(4, 21, 4):
        await eventually(lambda: running == 4)
        assert (await queue.counts("work")).locked == 4
        for _ in range(4):
            gate.release()
        await eventually(partial(reached, expected))
    await eventually(lambda: empty(queue))
    assert most == 4


async def test_a_long_invocation_keeps_its_lock(
    queue: SqliteWorkQueue, listen: Listen, clock: HeldClock, tmp_path: Path
) -> None:
    calls = 0
    go_on = asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        nonlocal calls
        calls += 1
        await go_on.wait()

    def locked_until() -> float:
        with closing(sqlite3.connect(tmp_path / "queues.db")) as database:
            [(until,)] = database.execute("SELECT visible_at FROM messages").fetchall()
        return float(until)

    await queue.send("work", Message({}))
    listen(handler, lock=timedelta(seconds=0.3))
    await eventually(lambda: calls)
    first = locked_until()
    clock.move(0.2)
    await eventually(lambda: locked_until() > first)
    clock.move(0.2)
    assert clock.time > first
    assert not await queue.receive("work", 1, timedelta(seconds=3))
    go_on.set()
    await eventually(lambda: empty(queue))
    assert calls == 1


async def test_a_lock_is_renewed_only_as_long_as_allowed(
    queue: SqliteWorkQueue, listen: Listen, clock: HeldClock
) -> None:
    counts: list[int | None] = []
    go_on = asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        counts.append(msg.delivery_count)
        if len(counts) == 1:
            await go_on.wait()

    await queue.send("work", Message({}))
    listen(handler, lock=timedelta(seconds=0.3), max_renewal=timedelta(0))
    await eventually(lambda: len(counts) == 1)
    clock.move(0.3)
    await eventually(lambda: len(counts) == 2)
    go_on.set()
    await eventually(lambda: empty(queue))
    assert counts == [1, 2]


async def test_stopping_lets_what_is_in_hand_end(queue: SqliteWorkQueue, listen: Listen) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        begun.set()
        await go_on.wait()

    await queue.send("work", Message({}))
    listener = listen(handler)
    await begun.wait()
    stopping = asyncio.create_task(listener.stop(PATIENCE))
    await queue.send("work", Message({}))
    go_on.set()
    await stopping
    counts = await queue.counts("work")
    assert (counts.active, counts.locked) == (1, 0)


async def test_what_does_not_end_in_time_is_given_back_at_once(
    queue: SqliteWorkQueue, listen: Listen
) -> None:
    begun = asyncio.Event()

    async def handler(msg: func.ServiceBusMessage) -> None:
        begun.set()
        await asyncio.Event().wait()

    await queue.send("work", Message({}))
    listener = listen(handler)
    await begun.wait()
    await listener.stop(0.05)
    counts = await queue.counts("work")
    assert (counts.active, counts.locked) == (1, 0)


async def test_a_queue_that_cannot_be_read_for_a_while_is_read_again(
    queue: SqliteWorkQueue, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, failed, seen = queue.receive, asyncio.Event(), asyncio.Event()

    async def failing(*arguments: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise OSError("the disk is away")
        return await receive(*arguments)

    async def handler(msg: func.ServiceBusMessage) -> None:
        seen.set()

    monkeypatch.setattr(queue, "receive", failing)
    await queue.send("work", Message({}))
    listen(handler)
    await eventually(seen.is_set)


def test_batches_of_messages_are_refused_at_start() -> None:
    app = func.FunctionApp()

    @app.service_bus_queue_trigger(
        arg_name="msg", queue_name="work", connection="Bus", cardinality=func.Cardinality.MANY
    )
    async def handle_many(msg: func.ServiceBusMessage) -> None: ...

    with pytest.raises(AppError, match=r"handle_many: .*one by one"):
        index(app, {})
