"""Whatever crashes, comes twice or gets lost: every event reaches who asked for it."""

import asyncio
import json
from datetime import timedelta

import pytest

from domain.ground.messages import EVENTS_QUEUE, DeliverEvents
from tests.kit.mischief import Crash
from tests.kit.stages.event_stage import EventStage
from tests.kit.stages.provisioning_stage import ANY

LOCK = timedelta(minutes=5)


async def test_a_crash_between_saving_and_sending_loses_no_event(stage: EventStage) -> None:
    await stage.subscribe()
    await stage.put_endpoint()
    stage.queue.dies_at = EVENTS_QUEUE
    with pytest.raises(Crash):
        await stage.settle()
    assert not stage.receiver.posts
    await stage.restart()
    assert (await stage.sqlite_queue.counts(EVENTS_QUEUE)).active == 0, "nothing was sent"
    [saved] = (await stage.store.query("outboxEvent")).documents
    await stage.settle(40)
    assert saved.body["event"]["id"] in [post.event["id"] for post in stage.receiver.posts]
    assert not (await stage.store.query("outboxEvent")).documents


async def test_messages_that_are_lost_are_made_good_by_the_sweep(stage: EventStage) -> None:
    await stage.subscribe()
    await stage.put_endpoint()
    lost: list[str] = []
    for _ in range(400):
        for message in await stage.sqlite_queue.receive(EVENTS_QUEUE, 500, LOCK):
            work = json.loads(message.body)["work"]
            if work not in lost:
                lost.append(work)
                await stage.sqlite_queue.complete(message.lock_token)
            else:
                await stage.host.deliver(message)
        await stage.turn(["provisioning"])
        stage.clock.move(1)
        await stage.host.run("sweep")
        if stage.receiver.posts:
            break
    # A dispatch that was lost is done by the sweep itself, without another message.
    assert lost == ["DispatchEvent", "DeliverEvents"]
    assert stage.receiver.types == ["OnlineEndpoint.Created"]


async def test_messages_that_come_twice_deliver_once(stage: EventStage) -> None:
    await stage.subscribe()
    await stage.put_endpoint()
    for _ in range(20):
        for message in await stage.sqlite_queue.receive(EVENTS_QUEUE, 500, LOCK):
            for _ in range(2):
                await stage.host.deliver(message)
        await stage.turn(["provisioning"])
        stage.clock.move(0.5)
    assert stage.receiver.types == ["OnlineEndpoint.Created"]


async def test_what_waits_for_a_subscription_goes_with_it(stage: EventStage) -> None:
    await stage.subscribe()
    stage.receiver.answers = lambda request: 400 if "-1" in request.event["subject"] else 503
    await stage.many_facts(5)
    await stage.settle(30)
    assert await stage.events.subscriptions.delete("sub", ANY)
    await stage.settle(5)
    for kind in ("eventDelivery", "deadLetter", "eventCourier"):
        assert not (await stage.store.query(kind)).documents, kind
    before = len(stage.receiver.posts)
    await stage.subscribe()
    await stage.settle()
    assert len(stage.receiver.posts) == before, "another one of its name begins with nothing"


async def test_a_courier_whose_next_message_was_not_sent_sends_it_when_it_is_redelivered(
    stage: EventStage,
) -> None:
    await stage.subscribe()
    stage.receiver.answers = lambda _: 503 if len(stage.receiver.posts) < 2 else 204
    await stage.put_endpoint()
    for _ in range(10):
        await stage.turn(["provisioning"])
        [message] = await stage.sqlite_queue.receive(EVENTS_QUEUE, 5, LOCK)
        body = json.loads(message.body)
        if body["work"] == "DeliverEvents":
            break
        await stage.host.deliver(message)
    stage.queue.dies_at = EVENTS_QUEUE
    await stage.host.deliver(message)
    assert isinstance(stage.host.failures.pop(), Crash)
    stage.queue.dies_at = None
    stage.clock.move(1)
    [again] = await stage.sqlite_queue.receive(EVENTS_QUEUE, 5, LOCK)
    before = await stage.sqlite_queue.counts(EVENTS_QUEUE)
    await stage.events.delivering.deliver(DeliverEvents.from_document(body))
    assert await stage.sqlite_queue.counts(EVENTS_QUEUE) == before, "stale by itself"
    await stage.host.deliver(again)
    await stage.settle(5)
    assert [post.event["id"] for post in stage.receiver.posts] == [
        stage.receiver.posts[0].event["id"]
    ] * 2


async def test_another_host_that_knew_of_nobody_tells_who_is_active(stage: EventStage) -> None:
    other = EventStage(stage.folder, stage.clock)
    await other.put_endpoint("before")
    await other.turn()
    await stage.subscribe()
    await other.put_endpoint("after")
    await other.turn(["provisioning"])
    await stage.settle()
    await other.die()
    assert [post.event["subject"] for post in stage.receiver.posts] == ["onlineEndpoints/after"]


async def test_two_hosts_that_both_handle_a_message_lose_nothing(stage: EventStage) -> None:
    await stage.subscribe()
    other = EventStage(stage.folder, stage.clock)
    await stage.many_facts(12)
    for _ in range(60):
        taken = await stage.sqlite_queue.receive(EVENTS_QUEUE, 50, LOCK)
        for message in taken:
            await asyncio.gather(*(s.host.deliver(message) for s in (stage, other)))
        await stage.turn(["provisioning"])
        stage.clock.move(0.5)
    subjects = {p.event["subject"] for s in (stage, other) for p in s.receiver.posts}
    await other.die()
    assert subjects == {f"onlineEndpoints/endpoint-{number}" for number in range(12)}
    for kind in ("eventDelivery", "outboxEvent"):
        assert not (await stage.store.query(kind)).documents
