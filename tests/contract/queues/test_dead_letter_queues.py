"""The contract of domain.ports.work_queue.DeadLetterQueues."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.ports import DeadLetterQueues, Message, WorkQueue
from infra.cloud.queues.service_bus import ServiceBus
from infra.cloud.queues.service_bus_dead_letters import ServiceBusDeadLetters
from infra.rules.queue_consumer import QueueConsumer
from tests.contract.recipient import Recipient
from tests.kit.waiting import PATIENCE, patience

Q = "batch-jobs"


@pytest.fixture
async def cloud_dead_letters(cloud_bus: ServiceBus) -> AsyncIterator[DeadLetterQueues]:
    letters = ServiceBusDeadLetters(cloud_bus)
    yield letters
    await letters.close()


@pytest.fixture
def dead_letters(queue_family: str, request: pytest.FixtureRequest) -> DeadLetterQueues:
    name = "cloud_dead_letters" if queue_family == "cloud" else f"{queue_family}_queue"
    adapter: DeadLetterQueues = request.getfixturevalue(name)
    return adapter


@pytest.fixture
def consumer(queue_family: str, request: pytest.FixtureRequest) -> QueueConsumer:
    if queue_family == "cloud":
        sides: tuple[WorkQueue, QueueConsumer] = request.getfixturevalue("cloud_sides")
        return sides[1]
    adapter: QueueConsumer = request.getfixturevalue(f"{queue_family}_queue")
    return adapter


async def bury(queue: WorkQueue, consumer: QueueConsumer, *messages: Message) -> None:
    """Have the messages put aside, each with its own number as the reason."""
    left = len(messages)
    await queue.send(Q, *messages)
    async with patience():
        while left:
            await consumer.wait(Q, PATIENCE)
            for received in await consumer.receive(Q, left, timedelta(seconds=PATIENCE)):
                number = json.loads(received.body)["n"]
                await consumer.dead_letter(received.lock_token, f"Reason{number}", "why it is")
                left -= 1


async def test_dead_messages_are_read_and_stay_then_go_on_or_go_for_good(
    queue: WorkQueue, dead_letters: DeadLetterQueues, consumer: QueueConsumer, recipient: Recipient
) -> None:
    assert await dead_letters.dead_messages(Q, 0, 10) == []
    beside = {"schema": "7.0", "given_back": "3", "traceparent": "00-a-b-01"}
    await bury(queue, consumer, *[Message({"n": n}, properties=beside) for n in range(4)])
    found = list(await dead_letters.dead_messages(Q, 0, 10))
    assert [json.loads(each.body)["n"] for each in found] == [0, 1, 2, 3]
    assert [each.number for each in found] == sorted({each.number for each in found})
    first = found[0]
    assert (first.queue, first.reason, first.description) == (Q, "Reason0", "why it is")
    assert first.properties["schema"] == "7.0"
    rest = await dead_letters.dead_messages(Q, first.number, 2)
    assert [each.number for each in rest] == [each.number for each in found[1:3]]
    assert await dead_letters.dead_messages("events", 0, 10) == []

    lacking = found[-1].number + 100
    assert await dead_letters.replay(Q, {found[1].number, lacking}) == 1
    assert await dead_letters.discard(Q, {found[2].number}) == 1
    [again] = await recipient.take(Q, 1)
    assert again.body == {"n": 1}
    assert again.properties["schema"] == "7.0"
    # How often it was given back before is over and done with.
    assert "given_back" not in again.properties
    left = await dead_letters.dead_messages(Q, 0, 10)
    assert [json.loads(each.body)["n"] for each in left] == [0, 3]
    assert await dead_letters.discard(Q, {found[2].number}) == 0
    assert await dead_letters.replay(Q, {each.number for each in left}) == 2
    assert {each.body["n"] for each in await recipient.take(Q, 2)} == {0, 3}
    assert await dead_letters.dead_messages(Q, 0, 10) == []
    assert await recipient.is_empty(Q)


async def test_one_that_is_replayed_twice_at_once_is_delivered_at_least_once(
    queue: WorkQueue, dead_letters: DeadLetterQueues, consumer: QueueConsumer, recipient: Recipient
) -> None:
    await bury(queue, consumer, Message({"n": 1}))
    [letter] = await dead_letters.dead_messages(Q, 0, 10)
    counts = await asyncio.gather(*(dead_letters.replay(Q, {letter.number}) for _ in range(2)))
    assert sorted(counts) == [0, 1]
    [again] = await recipient.take(Q, 1)
    assert again.body == {"n": 1}
