"""A webhook is sent nothing before it has agreed."""

from datetime import timedelta

import pytest

from domain.errors import Conflict, Forbidden, Invalid
from domain.events.event_subscription import EventSubscriptionProperties
from domain.ground.messages import EVENTS_QUEUE
from domain.ground.resource import Conditions, Wanted
from tests.kit.receiver import HOOK
from tests.kit.stages.event_stage import EventStage
from tests.kit.stages.provisioning_stage import ANY, CALLER, faults

LOCK = timedelta(minutes=5)


def callback_code(stage: EventStage) -> str:
    asked = [r for r in stage.receiver.requests if r.method == "OPTIONS"][-1]
    url = asked.headers["WebHook-Request-Callback"]
    assert url.startswith("https://ml.example.test:7443/eventSubscriptions/sub/")
    return url.rpartition("/")[2]


async def test_a_webhook_that_agrees_becomes_active(stage: EventStage) -> None:
    stored, new = await stage.put_subscription()
    assert (new, stored.resource.state.value) == (True, "Pending")
    assert not stage.receiver.requests, "every host has to know of it first"
    await stage.settle(3)
    [asked] = stage.receiver.requests
    assert (asked.method, asked.url, asked.body) == ("OPTIONS", HOOK, b"")
    assert asked.headers["WebHook-Request-Origin"] == "ml.example.test"
    assert (await stage.found()).state.value == "Active"


async def test_another_origin_s_consent_is_none(stage: EventStage) -> None:
    stage.receiver.consents = False
    await stage.put_subscription()
    await stage.put_endpoint()
    await stage.settle(60)
    found = await stage.found()
    assert found.state.value == "Pending"
    assert "WebHook-Allowed-Origin: ml.example.test" in (found.reason or "")
    assert not stage.receiver.posts
    stage.receiver.consents = True
    await stage.settle(120)
    assert (await stage.found()).state.value == "Active"
    assert stage.receiver.types == ["OnlineEndpoint.Created"], "what came meanwhile was kept"


async def test_one_that_never_agrees_fails_and_is_kept_nothing_for(stage: EventStage) -> None:
    stage.receiver.consents = False
    await stage.put_subscription()
    await stage.put_endpoint()
    await stage.settle(1200, step=5)
    assert (await stage.found()).state.value == "Failed"
    asked = len(stage.receiver.requests)
    assert asked == 10
    [letter], _ = await stage.events.dead_letters.list("sub", 10, None)
    assert letter.reason == "SubscriptionFailed"
    await stage.put_endpoint("other")
    await stage.settle(60)
    assert len(stage.receiver.requests) == asked
    assert not (await stage.store.query("eventDelivery")).documents
    stage.receiver.consents = True
    await stage.events.subscriptions.validate("sub", CALLER)
    await stage.settle()
    assert (await stage.found()).state.value == "Active"


async def test_a_webhook_may_agree_later_at_the_address_it_was_given(stage: EventStage) -> None:
    stage.receiver.consents = False
    await stage.put_subscription()
    await stage.settle(3)
    code = callback_code(stage)
    with pytest.raises(Forbidden):
        await stage.events.validating.agree("sub", code[:-1] + "x", None)
    with pytest.raises(Forbidden):
        await stage.events.validating.agree("other", code, None)
    for _ in range(2):
        agreed = await stage.events.validating.agree("sub", code, "600")
        assert (agreed.state.value, agreed.allowed_rate) == ("Active", 600)
    await stage.put_endpoint()
    await stage.settle()
    assert len(stage.receiver.posts) == 1


async def test_another_url_is_asked_anew_and_an_old_code_is_worth_nothing(
    stage: EventStage,
) -> None:
    await stage.subscribe()
    code = callback_code(stage)
    stage.receiver.consents = False
    other = "https://other.example.test/hook"
    stored, new = await stage.put_subscription(url=other)
    assert (new, stored.resource.state.value) == (False, "Pending")
    with pytest.raises(Forbidden):
        await stage.events.validating.agree("sub", code, None)
    await stage.settle(3)
    assert stage.receiver.requests[-1].url == other
    assert (await stage.found()).state.value == "Pending"


async def test_another_filter_needs_no_new_consent(stage: EventStage) -> None:
    await stage.subscribe()
    stored, _ = await stage.put_subscription(filter={"subject_ends_with": "x"})
    assert stored.resource.state.value == "Active"
    await stage.settle()
    assert len(stage.receiver.requests) == 1


async def test_a_validation_whose_message_is_lost_is_made_good(stage: EventStage) -> None:
    await stage.put_subscription()
    stage.clock.move(5)
    [message] = await stage.sqlite_queue.receive(EVENTS_QUEUE, 5, LOCK)
    await stage.sqlite_queue.complete(message.lock_token)
    await stage.settle(40)
    assert (await stage.found()).state.value == "Active"


async def test_what_cannot_be_called_is_refused(stage: EventStage) -> None:
    with pytest.raises(Invalid) as refusal:
        await stage.put_subscription(url="http://receiver.example.test/")
    assert "properties.destination.properties.endpointUrl" in faults(refusal.value)
    topic = {"endpoint_type": "ServiceBusTopic", "properties": {"endpoint_url": HOOK}}
    with pytest.raises(Invalid):
        await stage.put_subscription(destination=topic)
    with pytest.raises(Invalid) as refusal:
        await stage.put_subscription("no_name")
    assert "name" in faults(refusal.value)


async def test_there_is_a_limit_of_subscriptions(stage: EventStage) -> None:
    for number in range(50):
        await stage.put_subscription(f"sub-{number}")
    with pytest.raises(Conflict, match="50 of these"):
        await stage.put_subscription("one-more")
    await stage.put_subscription("sub-0", filter={"subject_ends_with": "x"})


async def test_of_two_writers_with_one_etag_one_wins(stage: EventStage) -> None:
    stored, _ = await stage.put_subscription()
    asked = Wanted[EventSubscriptionProperties](
        properties=stored.resource.properties.but(description="mine")
    )
    condition = Conditions(if_match=stored.etag)
    await stage.events.subscriptions.put("sub", asked, CALLER, condition)
    with pytest.raises(Exception, match="has changed since"):
        await stage.events.subscriptions.put("sub", asked, CALLER, condition)
    assert not await stage.events.subscriptions.delete("nobody", ANY)
