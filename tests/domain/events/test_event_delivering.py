"""Events out: saved with their facts, delivered at least once, retried, given up."""

import base64
import hashlib
import hmac
import json
import random
from collections import Counter

import pytest

from domain.errors import Conflict, NotFound
from domain.events.delivery import pause_after
from domain.events.delivery_record import DeliveryRecord
from domain.events.event_subscription import EndpointType
from domain.ground.messages import EVENTS_QUEUE
from domain.ports import WebhookAnswer
from tests.kit.receiver import HOOK, Request
from tests.kit.stages.event_stage import EventStage
from tests.kit.stages.provisioning_stage import CALLER


async def test_a_fact_reaches_who_asked_for_it_as_a_cloud_event(stage: EventStage) -> None:
    await stage.subscribe()
    await stage.put_endpoint()
    await stage.settle()
    [post] = stage.receiver.posts
    event = post.event
    assert post.url == HOOK
    assert post.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert post.headers["WebHook-Request-Origin"] == "ml.example.test"
    assert event["specversion"] == "1.0"
    assert event["type"] == "MlEndpoints.OnlineEndpoint.Created"
    assert event["source"] == stage.app.scope.id
    assert event["subject"] == "onlineEndpoints/iris"
    assert event["data"] == {"endpoint": "iris"}
    assert post.headers["webhook-id"] == event["id"]


async def test_what_is_sent_is_signed_with_the_subscriptions_key(stage: EventStage) -> None:
    await stage.subscribe()
    await stage.put_endpoint()
    await stage.settle()
    keys = await stage.events.subscriptions.keys("sub")
    first = stage.receiver.posts[-1]
    assert signatures(first, keys.signing_key) == first.headers["webhook-signature"].split()
    assert int(first.headers["webhook-timestamp"]) <= stage.clock.unix()

    rotated = await stage.events.subscriptions.regenerate_key("sub", CALLER)
    assert rotated.previous_signing_key == keys.signing_key != rotated.signing_key
    await stage.put_endpoint(description="other")
    await stage.settle()
    both = stage.receiver.posts[-1]
    wanted = signatures(both, rotated.signing_key) + signatures(both, keys.signing_key)
    assert both.headers["webhook-signature"].split() == wanted

    stage.clock.move(25 * 3600)
    assert (await stage.events.subscriptions.keys("sub")).previous_signing_key is None
    await stage.put_endpoint(description="third")
    await stage.settle()
    last = stage.receiver.posts[-1]
    assert last.headers["webhook-signature"].split() == signatures(last, rotated.signing_key)


def signatures(post: Request, key: str) -> list[str]:
    """As a receiver would reckon it, from nothing but the request and its key."""
    secret = base64.b64decode(key.removeprefix("whsec_"))
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode()
    mac = hmac.new(secret, signed + post.body, hashlib.sha256).digest()
    return ["v1," + base64.b64encode(mac).decode()]


async def test_keys_are_sealed_at_rest(stage: EventStage) -> None:
    found = await stage.subscribe()
    key = (await stage.events.subscriptions.keys("sub")).signing_key
    assert key not in found.model_dump_json()


async def test_only_what_the_filter_lets_through_is_written_or_sent(stage: EventStage) -> None:
    await stage.subscribe(
        filter={
            "included_event_types": ["MlEndpoints.OnlineEndpoint.*"],
            "subject_begins_with": "ONLINEENDPOINTS/wine",
        }
    )
    await stage.subscribe("deleted", filter={"included_event_types": ["mlendpoints.job.failed"]})
    await stage.put_endpoint("iris")
    await stage.put_endpoint("wine-red")
    assert len((await stage.store.query("outboxEvent")).documents) == 0
    await stage.settle()
    assert [post.event["subject"] for post in stage.receiver.posts] == ["onlineEndpoints/wine-red"]


async def test_with_no_subscription_a_fact_writes_nothing(stage: EventStage) -> None:
    await stage.put_endpoint()
    await stage.settle()
    assert not (await stage.store.query("outboxEvent")).documents
    assert (await stage.sqlite_queue.counts(EVENTS_QUEUE)).active == 0


async def test_a_receiver_that_fails_twice_gets_the_same_event_a_third_time(
    stage: EventStage,
) -> None:
    await stage.subscribe()
    answers = [503, None, 200]
    stage.receiver.answers = lambda _: answers.pop(0)
    await stage.put_endpoint()
    await stage.settle(10)
    assert [post.event["id"] for post in stage.receiver.posts] == [
        stage.receiver.posts[0].event["id"]
    ] * 3
    assert answers == []
    courier = await stage.events.subscriptions.courier(await stage.found())
    assert (courier.delivered, courier.failed_attempts, courier.dead_lettered) == (1, 2, 0)


async def test_pauses_double_up_to_ten_minutes_and_differ_by_chance() -> None:
    rng = random.Random(1)
    for failures in range(1, 40):
        longest = min(600.0, 2.0 ** (failures - 1))
        assert all(0.75 * longest <= pause_after(failures, rng) <= longest for _ in range(20))
    assert pause_after(5, rng) != pause_after(5, rng)


async def test_an_event_is_given_up_after_its_attempts_and_can_be_redelivered(
    stage: EventStage,
) -> None:
    await stage.subscribe(retry_policy={"max_delivery_attempts": 3})
    stage.receiver.answers = lambda _: 500
    await stage.put_endpoint()
    await stage.settle(20)
    assert len(stage.receiver.posts) == 3
    [letter], _ = await stage.events.dead_letters.list("sub", 10, None)
    assert (letter.reason, letter.attempts) == ("MaxDeliveryAttemptsExceeded", 3)
    assert letter.last_fault == "The webhook answered 500."
    with pytest.raises(NotFound):
        await stage.events.dead_letters.redeliver("sub", "other")
    stage.receiver.answers = lambda _: 200
    assert await stage.events.dead_letters.redeliver("sub", letter.event.id) == 1
    await stage.settle()
    assert stage.receiver.posts[-1].event["id"] == letter.event.id
    assert (await stage.events.dead_letters.list("sub", 10, None)) == ([], None)


async def test_an_event_is_given_up_when_it_is_too_old(stage: EventStage) -> None:
    await stage.subscribe(retry_policy={"event_time_to_live": "PT1M"})
    stage.receiver.answers = lambda _: None
    await stage.put_endpoint()
    await stage.settle(200)
    [letter], _ = await stage.events.dead_letters.list("sub", 10, None)
    assert letter.reason == "TimeToLiveExceeded"
    assert 2 < letter.attempts < 10


async def test_dead_letters_are_kept_for_a_week(stage: EventStage) -> None:
    await stage.subscribe()
    stage.receiver.answers = lambda _: 400
    await stage.put_endpoint()
    await stage.settle()
    [letter], _ = await stage.events.dead_letters.list("sub", 10, None)
    assert (letter.reason, letter.attempts) == ("RefusedByReceiver", 1)
    stage.clock.move(8 * 24 * 3600)
    assert (await stage.events.dead_letters.list("sub", 10, None))[0] == []


async def test_a_webhook_that_is_gone_is_sent_nothing_more(stage: EventStage) -> None:
    await stage.subscribe()
    stage.receiver.answers = lambda _: 410
    await stage.many_facts(20)
    await stage.settle()
    found = await stage.found()
    assert (found.state.value, "410" in (found.reason or "")) == ("Disabled", True)
    sent = len(stage.receiver.posts)
    assert sent <= 8, "one round at most"
    letters, _ = await stage.events.dead_letters.list("sub", 100, None)
    assert len(letters) == 20
    await stage.put_endpoint("later")
    await stage.settle()
    assert len(stage.receiver.posts) == sent
    with pytest.raises(Conflict, match="Validate it first"):
        await stage.events.dead_letters.redeliver("sub", None)
    stage.receiver.answers = lambda _: 200
    await stage.events.subscriptions.validate("sub", CALLER)
    await stage.settle()
    assert await stage.events.dead_letters.redeliver("sub", None) == 20
    await stage.settle()
    assert len(stage.receiver.posts) == sent + 20


async def test_what_became_of_deliveries_is_told_to_whoever_counts(stage: EventStage) -> None:
    await stage.subscribe()
    answers: list[int | None] = [503, None, 200, 400]
    stage.receiver.answers = lambda _: answers.pop(0) if answers else 410
    for name in ("late", "refused"):
        await stage.put_endpoint(name)
        await stage.settle(10)
    await stage.many_facts(20)
    await stage.settle()
    told = stage.records
    assert {record.endpoint_type for record in told} == {EndpointType.WEB_HOOK}
    dead = Counter(reason for record in told for reason in record.dead)
    sent = len(stage.receiver.posts) - 4
    assert dead == {"RefusedByReceiver": 1 + sent, "SubscriptionDisabled": 20 - sent}
    courier = await stage.events.subscriptions.courier(await stage.found())
    assert sum(record.delivered for record in told) == courier.delivered == 1
    assert sum(record.failed for record in told) == courier.failed_attempts == 3 + sent
    assert dead.total() == courier.dead_lettered == 21


async def test_while_a_receiver_is_down_one_event_tries_and_all_come_once_it_is_back(
    stage: EventStage,
) -> None:
    await stage.subscribe()
    stage.receiver.answers = lambda _: 503
    await stage.many_facts(30)
    await stage.settle(60)
    tries = len(stage.receiver.posts)
    assert tries < 20, "the subscription backs off, not each event"
    stage.receiver.answers = lambda _: 204
    before = len(stage.receiver.posts)
    await stage.settle(120)
    delivered = {post.event["id"] for post in stage.receiver.posts[before:]}
    assert len(delivered) == 30 == len(stage.receiver.posts) - before


async def test_an_event_that_fails_among_others_holds_up_none(stage: EventStage) -> None:
    await stage.subscribe()

    def one_fails(request: Request) -> int:
        return 500 if request.event["data"]["endpoint"] == "endpoint-0" else 200

    stage.receiver.answers = one_fails
    await stage.many_facts(20)
    await stage.settle(3)
    well = {p.event["subject"] for p in stage.receiver.posts} - {"onlineEndpoints/endpoint-0"}
    assert len(well) == 19
    await stage.settle(30)
    stage.receiver.requests.clear()
    await stage.put_endpoint("late")
    await stage.settle(2)
    assert "onlineEndpoints/late" in [p.event["subject"] for p in stage.receiver.posts]


async def test_a_slow_or_dead_subscriber_delays_nobody_else(stage: EventStage) -> None:
    await stage.subscribe("dead", url="https://dead.example.test/")
    await stage.subscribe("well", url=HOOK)
    stage.receiver.answers = lambda request: None if "dead" in request.url else 200
    await stage.many_facts(10)
    await stage.settle(2)
    assert len([post for post in stage.receiver.posts if post.url == HOOK]) == 10


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(stage: EventStage) -> None:
    await stage.subscribe()
    answers = [WebhookAnswer(429, {"retry-after": "90"})]
    stage.receiver.answers = lambda _: answers.pop() if answers else 200
    await stage.put_endpoint()
    await stage.settle(2)
    await stage.put_endpoint("other")
    await stage.settle(80)
    assert len(stage.receiver.posts) == 1
    await stage.settle(30)
    assert len(stage.receiver.posts) == 3


async def test_a_rate_that_was_agreed_is_kept(stage: EventStage) -> None:
    stage.receiver.rate = "12"
    assert (await stage.subscribe()).allowed_rate == 12
    await stage.many_facts(10)
    stage.receiver.times.clear()
    await stage.settle(90)
    times = stage.receiver.times
    assert len(times) == 10
    assert times[-1] - times[0] >= 9 * 5 - 1


async def test_a_topic_of_the_installations_own_is_sent_to(stage: EventStage) -> None:
    destination = {
        "endpoint_type": "ServiceBusTopic",
        "properties": {"entity_name": "facts"},
    }
    await stage.subscribe(destination=destination)
    await stage.put_endpoint()
    await stage.settle()
    [(kind, entity, message)] = stage.topics.sent
    assert (kind, entity) == ("topic", "facts")
    assert json.loads(message.body)["id"] == message.id
    assert message.properties["cloudEvents:type"] == message.subject
    assert stage.records == [DeliveryRecord(EndpointType.SERVICE_BUS_TOPIC, delivered=1)]
