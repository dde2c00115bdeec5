"""Events out to a webhook and in to a job, on a real host."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from outside import scoring_files as batch
from outside.running_host import RunningHost
from tests.e2e.webhook_receiver import Post, WebhookReceiver
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, until

HOST_ENVIRONMENT = {"ML_ENDPOINTS_PRIVATE_NETWORKS": "127.0.0.1/32"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


def subscribe(
    host: RunningHost, receiver: WebhookReceiver, name: str = "mine", **properties: Any
) -> None:
    """Active when this returns."""
    body = {
        "properties": {
            "destination": {
                "endpointType": "WebHook",
                "properties": {"endpointUrl": receiver.url},
            },
            **properties,
        }
    }
    host.workspace.call("PUT", f"eventSubscriptions/{name}", body)
    until(lambda: shown(host, name)["state"] == "Active", "an active subscription")


def shown(host: RunningHost, name: str = "mine") -> dict[str, Any]:
    found: dict[str, Any] = host.workspace.get(f"eventSubscriptions/{name}")["properties"]
    return found


def delivered(host: RunningHost) -> int:
    """What the host tells Prometheus of deliveries to webhooks."""
    text = host.workspace.http.get(f"{host.url}/metrics", headers=host.bearer()).text
    series = 'event_subscription_DeliverySuccessCount_total{endpointType="WebHook"} '
    return sum(int(line.removeprefix(series)) for line in text.splitlines() if series in line)


def test_an_event_that_comes_in_starts_a_job_and_its_end_is_told(
    host: RunningHost, receiver: WebhookReceiver
) -> None:
    subscribe(host, receiver)
    batch.batch(host, "letters")
    [ready] = until(lambda: receiver.told("BatchDeployment.Ready"))
    assert ready["subject"] == "batchEndpoints/letters/deployments/main"

    properties = {
        "endpointName": "letters",
        "filter": {"includedEventTypes": ["Microsoft.Storage.BlobCreated"]},
        "job": {"inputData": {"file": {"jobInputType": "UriFile", "uri": "{{data.url}}"}}},
    }
    body = {"properties": properties}
    uri = host.workspace.call("PUT", "eventMappings/arrivals", body).json()["properties"][
        "eventsUri"
    ]
    key = host.workspace.call("POST", "eventMappings/arrivals/listKeys").json()["primaryKey"]
    with host.client() as stranger:
        question = {
            "id": "q",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "subject": "",
            "data": {"validationCode": "512d38b6"},
        }
        asked = stranger.post(f"{uri}?code={key}", json=[question])
        assert asked.json() == {"validationResponse": "512d38b6"}
        file = host.data_dir.parent / "letter.txt"
        file.write_text("a\nb\n")
        host.workspace.put_blob("workspaceblobstore", "in/letter.txt", file)
        event = {
            "id": "blob-1",
            "topic": "/storage",
            "subject": "/blobServices/default/containers/c/blobs/in/letter.txt",
            "eventType": "Microsoft.Storage.BlobCreated",
            "data": {"url": f"{host.url}/blobs/workspaceblobstore/in/letter.txt"},
        }
        for _ in range(3):
            assert stranger.post(f"{uri}?code={key}", json=[event]).status_code == 202
    received = until(
        lambda: [
            e
            for e in host.workspace.get("eventMappings/arrivals/events")["value"]
            if e["status"] == "Started"
        ]
    )
    name = received[0]["job"]
    assert batch.ended(host, name)["status"] == "Completed"
    [completed] = until(lambda: receiver.told("Job.Completed"))
    assert completed["subject"] == f"batchEndpoints/letters/jobs/{name}"
    assert completed["data"]["output"]["path"] == f"azureml/{name}/score/predictions.csv"
    # Events go out each by itself: those of before may come after it.
    until(lambda: receiver.told("Job.Created") and receiver.told("Job.Running"))
    for type in ("Job.Created", "Job.Running"):
        assert [e["data"]["job"] for e in receiver.told(type)] == [name], "one job"
    until(lambda: delivered(host) == shown(host)["deliveries"]["delivered"] > 0)


def test_what_comes_is_signed_with_the_key_that_an_action_tells(
    host: RunningHost, receiver: WebhookReceiver
) -> None:
    subscribe(host, receiver)
    key = host.workspace.call("POST", "eventSubscriptions/mine/listKeys").json()["signingKey"]
    host.workspace.mutate("PUT", "onlineEndpoints/signed", {"properties": {}})
    until(lambda: receiver.told("OnlineEndpoint.Created"))
    assert all(post.is_signed_with(key) for post in receiver.posts)
    assert not receiver.posts[-1].is_signed_with("whsec_" + "A" * 44)
    stored = (host.data_dir / "documents.db").read_bytes()
    assert key.removeprefix("whsec_").encode() not in stored
    assert key not in host.log()


def test_a_receiver_that_answers_503_twice_gets_the_event_again(
    host: RunningHost, receiver: WebhookReceiver
) -> None:
    subscribe(host, receiver)
    seen: list[str] = []

    def answer(post: Post) -> int:
        if post.event["subject"] != "onlineEndpoints/retried":
            return 204
        seen.append(post.headers["webhook-id"])
        return 503 if len(seen) < 3 else 204

    receiver.answer = answer
    host.workspace.mutate("PUT", "onlineEndpoints/retried", {"properties": {}})
    until(lambda: len(seen) == 3)
    assert len(set(seen)) == 1
    until(lambda: shown(host)["deliveries"]["failedAttempts"] == 2)
    receiver.answer = lambda _: 204


def test_an_event_that_is_refused_is_a_dead_letter_until_it_is_redelivered(
    host: RunningHost, receiver: WebhookReceiver
) -> None:
    subscribe(host, receiver, filter={"subjectEndsWith": "/dead"})
    receiver.answer = lambda _: 400
    host.workspace.mutate("PUT", "onlineEndpoints/dead", {"properties": {}})
    host.workspace.mutate("PUT", "onlineEndpoints/other", {"properties": {}})
    [letter] = until(lambda: host.workspace.get("eventSubscriptions/mine/deadLetters")["value"])
    assert (letter["reason"], letter["lastFault"]) == (
        "RefusedByReceiver",
        "The webhook answered 400.",
    )
    receiver.answer = lambda _: 204
    receiver.posts.clear()
    answer = host.workspace.call("POST", "eventSubscriptions/mine/redeliver", {})
    assert answer.json() == {"redelivered": 1}
    until(lambda: receiver.posts)
    assert [post.event["id"] for post in receiver.posts] == [letter["event"]["id"]]


def test_a_webhook_agrees_later_by_the_callback(
    host: RunningHost, receiver: WebhookReceiver
) -> None:
    with WebhookReceiver(consents=False) as shy:
        body = {
            "properties": {
                "destination": {
                    "endpointType": "WebHook",
                    "properties": {"endpointUrl": shy.url},
                }
            }
        }
        host.workspace.call("PUT", "eventSubscriptions/shy", body)
        until(lambda: shy.asked)
        assert shown(host, "shy")["state"] == "Pending"
        callback = shy.asked[0]["webhook-request-callback"]
        assert httpx.get(callback, verify=host.tls, timeout=PATIENCE).json() == {"state": "Active"}
        host.workspace.mutate("PUT", "onlineEndpoints/agreed", {"properties": {}})
        until(lambda: shy.posts)
        host.workspace.call("DELETE", "eventSubscriptions/shy")


def test_a_host_that_is_killed_tells_everything_when_it_is_back(
    fleet: Fleet, tmp_path: Path, receiver: WebhookReceiver
) -> None:
    receiver.posts.clear()
    receiver.answer = lambda _: 503
    names = [f"endpoint-{number}" for number in range(12)]
    with fleet.hosting(tmp_path / "data", environment=HOST_ENVIRONMENT) as host:
        subscribe(host, receiver)
        made = []
        for name in names:
            host.workspace.call("PUT", f"onlineEndpoints/{name}", {"properties": {}})
            made.append(name)
            if receiver.posts:
                break
        host.kill()
        receiver.posts.clear()
        receiver.answer = lambda _: 204
        host.start()
        until(
            lambda: (
                {e["subject"] for e in receiver.told("OnlineEndpoint.Created")}
                >= {f"onlineEndpoints/{name}" for name in made}
            )
        )
        assert not host.faults()
        posts = list(receiver.posts)
        ids = [post.headers["webhook-id"] for post in posts]
        bodies = {hashlib.sha256(json.dumps(p.event).encode()).digest() for p in posts}
        assert len(bodies) == len(set(ids)), "one id is one event"
