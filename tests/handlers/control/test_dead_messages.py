"""Queues and what they have put aside, through the door."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.ports import Message
from domain.usage.dead_messages import DeadMessages
from handlers.control.usage import dead_messages
from handlers.http import Routes
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue

LETTERS = "queues/batch-jobs/deadLetters"


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[SqliteWorkQueue]:
    queue = SqliteWorkQueue(tmp_path / "queues.db", max_delivery_count=3)
    yield queue
    await queue.close()


@pytest.fixture
def clients(queue: SqliteWorkQueue, routes: Routes, open_client: Any) -> Any:
    activity = DeadMessages(queue, ["events", "batch-jobs"])

    def client(role: str = "owner") -> httpx.AsyncClient:
        made: httpx.AsyncClient = open_client(dead_messages.blueprint(routes, activity), role=role)
        made.base_url = made.base_url.join(routes.scope.id)
        return made

    return client


@pytest.fixture
def client(clients: Any) -> httpx.AsyncClient:
    made: httpx.AsyncClient = clients()
    return made


async def bury(queue: SqliteWorkQueue, count: int, **more: Any) -> None:
    await queue.send("batch-jobs", *[Message({"n": n, **more}) for n in range(count)])
    for received in await queue.receive("batch-jobs", count, timedelta(minutes=1)):
        await queue.dead_letter(received.lock_token, "Broken", "ValueError: no such thing")


async def test_messages_are_listed_read_replayed_and_removed(
    client: httpx.AsyncClient, queue: SqliteWorkQueue
) -> None:
    await bury(queue, 4)
    states = (await client.get("queues")).json()["value"]
    assert [(each["name"], each["properties"]["deadLetters"]) for each in states] == [
        ("batch-jobs", 4),
        ("events", 0),
    ]
    page = (await client.get(f"{LETTERS}?$top=3")).json()
    names = [each["name"] for each in page["value"]]
    told = page["value"][0]["properties"]
    assert (told["reason"], told["description"]) == ("Broken", "ValueError: no such thing")
    assert (told["body"], told["deliveryCount"]) == ({"n": 0}, 1)
    following = (await client.get(page["nextLink"])).json()
    assert [each["properties"]["body"] for each in following["value"]] == [{"n": 3}]
    assert "nextLink" not in following

    read = (await client.get(f"queues/BATCH-JOBS/deadLetters/{names[1]}")).json()
    assert read["properties"]["body"] == {"n": 1}
    assert (await client.post("queues/batch-jobs/replay", json={"names": names[:2]})).json() == {
        "replayed": 2
    }
    assert (await client.delete(f"{LETTERS}/{names[2]}")).status_code == 200
    assert (await client.get(f"{LETTERS}/{names[2]}")).status_code == 404
    assert (await client.delete(f"{LETTERS}/{names[2]}")).status_code == 404
    assert (await client.post("queues/batch-jobs/replay")).json() == {"replayed": 1}
    assert (await client.get(LETTERS)).json()["value"] == []
    again = await queue.receive("batch-jobs", 9, timedelta(minutes=1))
    assert [(each.body, each.delivery_count) for each in again] == [
        (b'{"n":0}', 1),
        (b'{"n":1}', 1),
        (b'{"n":3}', 1),
    ]


async def test_nothing_is_replayed_where_one_of_those_named_is_not_there(
    client: httpx.AsyncClient, queue: SqliteWorkQueue
) -> None:
    await bury(queue, 1)
    [letter] = (await client.get(LETTERS)).json()["value"]
    asked = {"names": [letter["name"], "77", "x"]}
    refused = await client.post("queues/batch-jobs/replay", json=asked)
    assert refused.status_code == 404
    assert "77, x" in refused.json()["error"]["message"]
    assert len((await client.get(LETTERS)).json()["value"]) == 1


async def test_a_long_body_is_shown_where_its_message_is_asked_for(
    client: httpx.AsyncClient, queue: SqliteWorkQueue
) -> None:
    await bury(queue, 1, text="x" * 5000)
    [letter] = (await client.get(LETTERS)).json()["value"]
    assert letter["properties"]["body"] is None
    assert letter["properties"]["bodyBytes"] > 5000
    whole = (await client.get(f"{LETTERS}/{letter['name']}")).json()
    assert whole["properties"]["body"]["text"] == "x" * 5000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "queues/other/deadLetters", 404),
        ("GET", f"{LETTERS}/-1", 404),
        ("GET", f"{LETTERS}?$skip=what", 400),
        ("POST", "queues/other/replay", 404),
        ("DELETE", f"{LETTERS}/999999999999999999999", 404),
    ],
)
async def test_what_there_is_not_is_refused(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, path)).status_code == status


async def test_a_reader_reads_alone(clients: Any, queue: SqliteWorkQueue) -> None:
    await bury(queue, 1)
    reader = clients("reader")
    [letter] = (await reader.get(LETTERS)).json()["value"]
    assert (await reader.post("queues/batch-jobs/replay")).status_code == 403
    assert (await reader.delete(f"{LETTERS}/{letter['name']}")).status_code == 403
    assert (await clients("scorer").get("queues")).status_code == 403
