"""Event subscriptions and mappings through the door."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.control import event_mappings, event_subscriptions
from handlers.data import events_door
from handlers.http import Routes
from tests.kit.receiver import HOOK
from tests.kit.stages import event_stage
from tests.kit.stages.event_stage import EventStage

SUBSCRIPTION: dict[str, Any] = {
    "properties": {
        "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": HOOK}},
        "filter": {"includedEventTypes": ["MlEndpoints.Job.*"], "subjectBeginsWith": "batch"},
    }
}
MAPPING: dict[str, Any] = {
    "properties": {
        "endpointName": "irises",
        "filter": {"includedEventTypes": ["Orders.*"]},
        "job": {"inputData": {"file": {"jobInputType": "UriFile", "uri": "{{data.url}}"}}},
    }
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "Orders.Ready", "data": {}}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[EventStage]:
    async with event_stage.opened(tmp_path) as stage:
        yield stage


@pytest.fixture
def clients(stage: EventStage, routes: Routes, open_client: Any) -> Any:
    def client(role: str | None = "owner") -> httpx.AsyncClient:
        events, inbound = stage.events, stage.app.inbound
        made: httpx.AsyncClient = open_client(
            event_subscriptions.blueprint(routes, events.subscriptions, events.dead_letters),
            event_mappings.blueprint(routes, inbound.mappings, inbound.receiving),
            events_door.blueprint(routes, inbound.receiving, events.validating),
            role=role,
        )
        return made

    return client


@pytest.fixture
def client(clients: Any, routes: Routes) -> httpx.AsyncClient:
    made: httpx.AsyncClient = clients()
    made.base_url = made.base_url.join(routes.scope.id)
    return made


async def test_a_subscription_lives_its_whole_life(
    client: httpx.AsyncClient, stage: EventStage
) -> None:
    made = await client.put("eventSubscriptions/jobs", json=SUBSCRIPTION)
    assert made.status_code == 201, made.text
    answer = made.json()
    assert answer["type"].endswith("/eventSubscriptions")
    assert answer["properties"]["state"] == "Pending"
    assert answer["properties"]["retryPolicy"] == {
        "maxDeliveryAttempts": 30,
        "eventTimeToLive": "P1D",
    }
    assert "ealed" not in made.text
    await stage.settle(3)
    read = await client.get("eventSubscriptions/JOBS")
    assert read.json()["properties"]["state"] == "Active"
    assert (await client.put("eventSubscriptions/jobs", json=read.json())).status_code == 200
    patch = {"properties": {"retryPolicy": {"maxDeliveryAttempts": 5}, "filter": None}}
    changed = await client.patch("eventSubscriptions/jobs", json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["properties"]["retryPolicy"]["maxDeliveryAttempts"] == 5
    assert changed.json()["properties"]["state"] == "Active"
    stale = await client.patch(
        "eventSubscriptions/jobs", json=patch, headers={"If-Match": made.headers["ETag"]}
    )
    assert stale.status_code == 412
    listed = (await client.get("eventSubscriptions")).json()["value"]
    assert [each["name"] for each in listed] == ["jobs"]
    assert (await client.post("eventSubscriptions/jobs/validate")).json()["properties"][
        "state"
    ] == "Pending"
    assert (await client.delete("eventSubscriptions/jobs")).status_code == 200
    assert (await client.delete("eventSubscriptions/jobs")).status_code == 204
    assert (await client.get("eventSubscriptions/jobs")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"destination": None}, "properties.destination"),
        (
            {"destination": {"endpointType": "WebHook", "properties": {}}},
            "properties.destination.properties.endpointUrl",
        ),
        ({"filter": {"includedEventTypes": ["Nothing.*"]}}, "properties.filter.includedEventTypes"),
        ({"retryPolicy": {"maxDeliveryAttempts": 0}}, "properties.retryPolicy.maxDeliveryAttempts"),
        ({"filter": {"subjectBegins": "x"}}, "properties.filter.subjectBegins"),
        ({"deadLetterDestination": {"x": 1}}, "properties.deadLetterDestination"),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], target: str
) -> None:
    body = {"properties": {**SUBSCRIPTION["properties"], **changes}}
    reply = await client.put("eventSubscriptions/jobs", json=body)
    assert reply.status_code == 400
    told = [detail["target"] for detail in reply.json()["error"]["details"]]
    assert any(each.startswith(target) for each in told), told


async def test_roles_decide_who_sees_keys(clients: Any, routes: Routes, client: Any) -> None:
    await client.put("eventSubscriptions/jobs", json=SUBSCRIPTION)
    await client.put("eventMappings/orders", json=MAPPING)
    at = routes.scope.id
    reader, scorer, nobody = clients("reader"), clients("scorer"), clients(None)
    for path in ("eventSubscriptions/jobs", "eventMappings/orders"):
        assert (await reader.get(f"{at}/{path}")).status_code == 200
        for refused in ("listKeys", "regenerateKeys"):
            assert (await reader.post(f"{at}/{path}/{refused}")).status_code == 403
        assert (await scorer.get(f"{at}/{path}")).status_code == 403
        assert (await nobody.get(f"{at}/{path}")).status_code == 401
        assert (await reader.put(f"{at}/{path}", json=SUBSCRIPTION)).status_code == 403
    keys = await client.post("eventSubscriptions/jobs/listKeys")
    assert keys.json()["signingKey"].startswith("whsec_")
    assert keys.headers["cache-control"] == "no-store"
    anew = (await client.post("eventSubscriptions/jobs/regenerateKeys")).json()
    assert anew["previousSigningKey"] == keys.json()["signingKey"]


async def test_dead_letters_are_read_and_redelivered(
    client: httpx.AsyncClient, stage: EventStage
) -> None:
    await stage.subscribe("all")
    stage.receiver.answers = lambda _: 400
    await stage.many_facts(3)
    await stage.settle()
    page = (await client.get("eventSubscriptions/all/deadLetters?$top=2")).json()
    assert len(page["value"]) == 2
    [last] = (await client.get(page["nextLink"])).json()["value"]
    assert (last["reason"], last["event"]["specversion"]) == ("RefusedByReceiver", "1.0")
    assert last["lastFault"] == "The webhook answered 400."
    shown = (await client.get("eventSubscriptions/all")).json()["properties"]["deliveries"]
    assert (shown["deadLettered"], shown["delivered"]) == (3, 0)
    stage.receiver.answers = lambda _: 200
    one = await client.post(
        "eventSubscriptions/all/redeliver", json={"eventId": last["event"]["id"]}
    )
    assert one.json() == {"redelivered": 1}
    assert (await client.post("eventSubscriptions/all/redeliver")).json() == {"redelivered": 2}
    await stage.settle()
    assert (await client.get("eventSubscriptions/all/deadLetters")).json()["value"] == []


async def test_a_webhook_agrees_at_the_address_it_was_given(
    clients: Any, stage: EventStage
) -> None:
    stage.receiver.consents = False
    await stage.put_subscription()
    await stage.settle(3)
    address = stage.receiver.requests[-1].headers["WebHook-Request-Callback"]
    path = address.removeprefix(event_stage.URL)
    browser = clients(None)
    assert (await browser.get(path[:-1] + "0x")).status_code == 403
    assert (await browser.get(path.replace("/sub/", "/sup/"))).status_code == 403
    for method in ("GET", "POST"):
        agreed = await browser.request(method, path)
        assert (agreed.status_code, agreed.json()) == (200, {"state": "Active"})


async def test_a_mapping_lives_its_whole_life(client: httpx.AsyncClient) -> None:
    made = await client.put("eventMappings/orders", json=MAPPING)
    assert made.status_code == 201, made.text
    shown = made.json()["properties"]
    assert shown["eventsUri"].endswith("/events/orders")
    assert shown["job"]["inputData"]["file"]["uri"] == "{{data.url}}"
    assert (await client.put("eventMappings/orders", json=made.json())).status_code == 200
    patch = {"properties": {"deploymentName": "blue"}}
    changed = await client.patch("eventMappings/orders", json=patch)
    assert changed.json()["properties"]["deploymentName"] == "blue", changed.text
    keys = (await client.post("eventMappings/orders/listKeys")).json()
    anew = await client.post("eventMappings/orders/regenerateKeys", json={"keyType": "primary"})
    assert anew.json()["primaryKey"] != keys["primaryKey"]
    assert anew.json()["secondaryKey"] == keys["secondaryKey"]
    assert keys["secondaryKey"] not in made.text
    assert (await client.delete("eventMappings/orders")).status_code == 200
    assert (await client.get("eventMappings/orders")).status_code == 404


async def test_events_come_with_a_key_or_a_token(
    clients: Any, client: httpx.AsyncClient, routes: Routes
) -> None:
    await client.put("eventMappings/orders", json=MAPPING)
    key = (await client.post("eventMappings/orders/listKeys")).json()["primaryKey"]
    stranger, reader, owner = clients(None), clients("reader"), clients("owner")
    for answer in (
        await stranger.post("/events/orders", json=EVENT),
        await stranger.post("/events/orders?code=wrong", json=EVENT),
        await stranger.post("/events/other", params={"code": key}, json=EVENT),
        await stranger.options("/events/orders", headers={"WebHook-Request-Origin": "x.example"}),
    ):
        assert answer.status_code == 401
    assert (await reader.post("/events/orders", json=EVENT)).status_code == 403
    first = await stranger.post("/events/orders", params={"code": key}, json=[EVENT, EVENT])
    assert first.status_code == 202
    assert first.json() == {"accepted": 1, "repeated": 1, "unmatched": 0}
    sas = await stranger.post("/events/orders", json=EVENT, headers={"aeg-sas-key": key})
    assert sas.json() == {"accepted": 0, "repeated": 1, "unmatched": 0}
    other = {**EVENT, "type": "Else"}
    told = await owner.post("/events/orders", json=other)
    assert (told.status_code, told.json()["unmatched"]) == (202, 1)
    binary = await owner.post(
        "/events/orders",
        json={"url": "x"},
        headers={"ce-specversion": "1.0", "ce-id": "b", "ce-type": "Orders.x", "ce-source": "/b"},
    )
    assert binary.json()["accepted"] == 1, binary.text
    listed = (await client.get("eventMappings/orders/events")).json()["value"]
    assert {each["eventId"] for each in listed} == {"1", "b"}
    assert "asked" not in listed[0]


async def test_both_handshakes_are_answered(clients: Any, client: httpx.AsyncClient) -> None:
    await client.put("eventMappings/orders", json=MAPPING)
    code = {"code": (await client.post("eventMappings/orders/listKeys")).json()["primaryKey"]}
    grid = clients(None)
    question = {
        "id": "1",
        "topic": "/t",
        "subject": "",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-01-02T00:00:00Z",
        "data": {"validationCode": "secret-code"},
    }
    answer = await grid.post("/events/orders", params=code, json=[question])
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "secret-code"})
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    agreed = await grid.options("/events/orders", params=code, headers=origin)
    assert agreed.status_code == 200
    assert agreed.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert (agreed.headers["WebHook-Allowed-Rate"], agreed.headers["Allow"]) == ("*", "POST")
    assert (await grid.options("/events/orders", params=code)).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b'{"id": 1}', 400),
        (b"[" * 200, 400),
        (b'{"a": "' + b"x" * 1024 * 1024 + b'"}', 413),
    ],
)
async def test_what_is_no_event_is_refused_at_the_door(
    clients: Any, client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    await client.put("eventMappings/orders", json=MAPPING)
    answer = await clients().post("/events/orders", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
