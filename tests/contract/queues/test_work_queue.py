"""The contract of domain.ports.WorkQueue."""

from datetime import timedelta

import pytest
from opentelemetry import context, trace

from domain import errors
from domain.ports import Message, WorkQueue
from tests.contract.recipient import Recipient
from tests.kit.newer_process import newer_process


async def test_what_is_sent_is_delivered_intact(queue: WorkQueue, recipient: Recipient) -> None:
    body = {"name": "ScoreMiniBatch", "text": "ü \u2028 \U0001f600", "n": [1, 2.5, None, True]}
    await queue.send("mini-batches", Message(body))
    (delivered,) = await recipient.take("mini-batches", 1)
    assert delivered.body == body
    assert await recipient.is_empty("mini-batches")


async def test_many_messages_are_all_delivered(queue: WorkQueue, recipient: Recipient) -> None:
    await queue.send("mini-batches", *[Message({"n": n}) for n in range(250)])
    delivered = await recipient.take("mini-batches", 250)
    assert sorted(message.body["n"] for message in delivered) == list(range(250))


async def test_a_batch_larger_than_one_transfer_is_sent(
    queue: WorkQueue, recipient: Recipient
) -> None:
    await queue.send("mini-batches", *[Message({"n": n, "x": "x" * 100_000}) for n in range(8)])
    delivered = await recipient.take("mini-batches", 8)
    assert sorted(message.body["n"] for message in delivered) == list(range(8))


async def test_sending_nothing_is_no_error(queue: WorkQueue, recipient: Recipient) -> None:
    await queue.send("mini-batches")
    assert await recipient.is_empty("mini-batches")


async def test_queues_are_apart(queue: WorkQueue, recipient: Recipient) -> None:
    await queue.send("batch-jobs", Message({"n": 1}))
    await queue.send("mini-batches", Message({"n": 2}))
    assert [message.body for message in await recipient.take("mini-batches", 1)] == [{"n": 2}]
    assert [message.body for message in await recipient.take("batch-jobs", 1)] == [{"n": 1}]


async def test_a_delayed_message_comes_later_not_sooner(
    queue: WorkQueue, recipient: Recipient
) -> None:
    await queue.send("mini-batches", Message({"n": "much later"}, delay=timedelta(hours=1)))
    for number in range(6):
        # Where the machine is too slow to send both within a second, twice the time.
        later = timedelta(seconds=2**number)
        both = Message({"n": "later"}, delay=later), Message({"n": "now"})
        await queue.send("mini-batches", *both)
        came = [message.body["n"] for message in await recipient.take("mini-batches", 2)]
        if came == ["now", "later"]:
            break
    assert came == ["now", "later"]
    assert await recipient.is_empty("mini-batches")


async def test_a_message_over_the_limit_is_refused(queue: WorkQueue, recipient: Recipient) -> None:
    with pytest.raises(errors.MessageTooLarge):
        await queue.send("mini-batches", Message({"x": "x" * 256 * 1024}))
    assert await recipient.is_empty("mini-batches")


async def test_the_senders_trace_travels_along(queue: WorkQueue, recipient: Recipient) -> None:
    span = trace.NonRecordingSpan(
        trace.SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1))
    )
    token = context.attach(trace.set_span_in_context(span))
    try:
        await queue.send("mini-batches", Message({}))
    finally:
        context.detach(token)
    (delivered,) = await recipient.take("mini-batches", 1)
    assert delivered.properties["traceparent"].split("-")[1] == f"{0xABC:032x}"


async def test_a_messages_schema_travels_beside_its_body(
    queue: WorkQueue, recipient: Recipient
) -> None:
    await queue.send("mini-batches", Message({"n": 1}))
    with newer_process(messages={"mini-batches": "2.1"}):
        await queue.send("mini-batches", Message({"n": 2}))
    await queue.send("mini-batches", Message({"n": 3}, properties={"schema": "7.0", "times": "1"}))
    delivered = await recipient.take("mini-batches", 3)
    told = {d.body["n"]: (d.properties["schema"], d.properties.get("times")) for d in delivered}
    assert told == {1: ("1.0", None), 2: ("2.1", None), 3: ("7.0", "1")}
