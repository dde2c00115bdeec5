"""Who did what, when, from where and with what result, read at the door."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import httpx
import pytest

from domain.errors import Unavailable
from domain.ports import AuditLog, AuditQuery, AuditRecord, ResourceStore
from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.kit.composed import composed
from tests.kit.mischief import Mischief, Mortal

PATH = "providers/Microsoft.Insights/eventtypes/management/values"
ENDPOINT: dict[str, Any] = {"properties": {"authMode": "Key"}}
PROVIDER = "Microsoft.MachineLearningServices/workspaces"
READS = {
    ("post", "onlineEndpoints/{endpoint}/deployments/{deployment}/getLogs"),
    ("post", "jobs/{job}/getLogs"),
    ("post", "computes/{name}/listNodes"),
    ("post", "dataversion/batchGetResolvedUris"),
    ("post", "rundata"),
    ("post", "providers/Microsoft.CostManagement/query"),
}
"""The requests that are no GETs and yet neither change anything nor tell a secret."""


Kept = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def kept(plane: ControlPlane) -> Kept:
    """What the log has, newest first, for a filter."""
    client = plane.client("reader")

    async def read(text: str = "") -> list[dict[str, Any]]:
        await plane.stage.application.audit.logins.flush()
        reply = await client.get(PATH, params={"$filter": text} if text else {})
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = reply.json()["value"]
        return found

    return read


async def test_a_write_is_kept_with_who_when_where_and_how_it_ended(
    plane: ControlPlane, kept: Kept
) -> None:
    headers = {
        "x-ms-correlation-request-id": "0af7651916cd43dd8448eb211c80319c",
        "x-ms-client-request-id": "mine",
        "user-agent": "curl/8",
    }
    client = plane.client("contributor")
    made = await client.put("onlineEndpoints/iris", ENDPOINT, headers=headers)
    assert made.status_code == 201
    [record] = await kept()
    now = plane.stage.clock.now()
    scope = plane.routes.scope
    assert datetime.fromisoformat(record["eventTimestamp"]) == now
    assert record["caller"] == "a-contributor"
    assert record["operationName"]["value"] == f"{PROVIDER}/onlineEndpoints/write"
    assert record["resourceId"] == scope.path("onlineEndpoints", "iris")
    assert record["resourceType"]["value"] == f"{PROVIDER}/onlineEndpoints"
    assert (record["status"]["value"], record["subStatus"]["value"]) == ("Succeeded", "201")
    assert record["httpRequest"] == {
        "method": "PUT",
        "clientIpAddress": "127.0.0.1",
        "clientRequestId": "mine",
    }
    assert record["correlationId"] == headers["x-ms-correlation-request-id"]
    told = record["properties"]
    assert told["roles"] == ["contributor"]
    assert made.headers["Azure-AsyncOperation"].endswith(told["operation"].replace(":", "%3A"))
    assert (told["userAgent"], told["count"], told["statusCode"]) == ("curl/8", 1, 201)


async def test_a_write_that_is_refused_says_why(plane: ControlPlane, kept: Kept) -> None:
    client = plane.client()
    assert (await client.put("onlineEndpoints/iris", {"properties": 3})).status_code == 400
    assert (await client.get("onlineEndpoints/iris")).status_code == 404
    [record] = await kept()
    assert record["status"]["value"] == "Failed"
    assert record["properties"]["errorCode"] == "BadArgument"
    assert record["level"] == "Warning"


async def test_whoever_reads_a_secret_is_kept_and_the_secret_is_not(
    plane: ControlPlane, kept: Kept
) -> None:
    await plane.stage.put_endpoint()
    client = plane.client("contributor")
    keys = (await client.post("onlineEndpoints/iris/listKeys")).json()
    [record] = await kept()
    assert record["operationName"]["value"] == f"{PROVIDER}/onlineEndpoints/listKeys/action"
    assert record["resourceId"].endswith("/onlineEndpoints/iris")
    assert not any(key in str(record) for key in keys.values())


async def test_whatever_is_no_read_is_kept(plane: ControlPlane, kept: Kept) -> None:
    client = plane.client()
    document = (await client.http.get("/openapi.json")).json()
    scope = plane.routes.scope
    known = {
        "subscription": scope.subscription,
        "resource_group": scope.resource_group,
        "workspace": scope.workspace,
    }
    paths = {path: methods for path, methods in document["paths"].items() if "{workspace}" in path}
    tried = 0

    async def all_kept() -> Sequence[AuditRecord]:
        return (await plane.stage.adapters.audit_log.query(AuditQuery(), page_size=500)).records

    for path, methods in paths.items():
        below = path.partition("{workspace}/")[2]
        parameters = {name.partition("}")[0]: "some" for name in path.split("{")[1:]}
        url = path.format_map({**parameters, **known})
        for method in set(methods) - {"get"}:
            before = len(await all_kept())
            await client.http.request(method, url, json={})
            new = len(await all_kept()) - before
            assert new == ((method, below) not in READS), (method, path)
            tried += 1
    assert tried > 40


async def test_refusals_are_kept_by_who_from_where_and_minute(
    plane: ControlPlane, kept: Kept
) -> None:
    reader, nobody = plane.client("reader"), plane.client("nobody")
    for _ in range(3):
        await reader.put("onlineEndpoints/iris", ENDPOINT)
        await nobody.get("onlineEndpoints/iris")
    await plane.client(None).delete("onlineEndpoints/iris")
    plane.stage.clock.move(61)
    found = await kept()
    shown = [
        (r["caller"], r["subStatus"]["value"], r["properties"]["count"])
        for r in sorted(found, key=lambda r: (r["subStatus"]["value"], r["properties"]["count"]))
    ]
    assert shown == [(None, "401", 1), (None, "401", 3), ("a-reader", "403", 3)]
    assert {r["httpRequest"]["clientIpAddress"] for r in found} == {"127.0.0.1"}
    await reader.put("onlineEndpoints/iris", ENDPOINT)
    assert len(await kept()) == 4


async def test_what_a_host_began_and_did_not_end_is_kept_as_begun(
    plane: ControlPlane, kept: Kept
) -> None:
    stage, mischief = plane.stage, Mischief()
    dying = cast(ResourceStore, Mortal(stage.store, mischief))
    log = cast(AuditLog, Mortal(stage.adapters.audit_log, mischief))

    async def end(name: str, *_: object) -> None:
        mischief.dead = name == "transact"

    mischief.after = end
    stage.live(composed(replace(stage.adapters, store=dying, audit_log=log), base_url=BASE_URL))
    made = await plane.client("contributor").put("onlineEndpoints/iris", ENDPOINT)
    assert made.status_code == 500

    stage.live(composed(stage.adapters, base_url=BASE_URL))
    client = plane.client()
    assert (await client.get("onlineEndpoints/iris")).status_code == 200
    [record] = (await client.get(PATH)).json()["value"]
    assert (record["caller"], record["status"]["value"]) == ("a-contributor", "Started")
    assert record["eventName"]["value"] == "BeginRequest"
    assert record["resourceId"].endswith("/onlineEndpoints/iris")
    assert "statusCode" not in record["properties"]


async def test_nothing_is_done_or_told_that_cannot_be_kept(plane: ControlPlane, kept: Kept) -> None:
    stage, mischief = plane.stage, Mischief()
    await stage.put_endpoint()

    async def fail(name: str, *_: object) -> None:
        raise Unavailable("The log is out.")

    mischief.before = fail
    log = cast(AuditLog, Mortal(stage.adapters.audit_log, mischief, only=("append",)))
    stage.live(composed(replace(stage.adapters, audit_log=log), base_url=BASE_URL))
    client = plane.client()
    assert (await client.put("onlineEndpoints/other", ENDPOINT)).status_code == 503
    assert (await client.get("onlineEndpoints/other")).status_code == 404
    told = await client.post("onlineEndpoints/iris/listKeys")
    assert (told.status_code, "primaryKey" in told.text) == (503, False)
    assert (await client.get("onlineEndpoints/iris")).status_code == 200


async def test_records_are_found_by_filter_and_page(plane: ControlPlane, kept: Kept) -> None:
    client, clock = plane.client(), plane.stage.clock
    for name in ("aaa", "bbb", "ccc"):
        await client.put(f"onlineEndpoints/{name}", ENDPOINT)
        clock.move(1)
    between = clock.now()
    await plane.client("contributor").delete("onlineEndpoints/bbb")
    clock.move(1)
    await client.put("onlineEndpoints/bbb", {"properties": 1})

    def names(found: list[dict[str, Any]]) -> list[str]:
        return [r["httpRequest"]["method"] + " " + r["resourceId"][-3:] for r in found]

    bbb = plane.routes.scope.path("onlineEndpoints", "BBB")
    assert names(await kept(f"resourceUri eq '{bbb}'")) == [
        "PUT bbb",
        "DELETE bbb",
        "PUT bbb",
    ]
    assert names(await kept(f"eventTimestamp ge '{between.isoformat()}'")) == [
        "PUT bbb",
        "DELETE bbb",
    ]
    assert names(await kept(f"eventTimestamp lt '{between.isoformat()}'")) == [
        "PUT ccc",
        "PUT bbb",
        "PUT aaa",
    ]
    assert names(await kept("caller eq 'a-contributor' and status eq 'succeeded'")) == [
        "DELETE bbb"
    ]
    assert names(await kept("status eq 'Failed'")) == ["PUT bbb"]
    action = f"{PROVIDER}/onlineEndpoints/delete"
    assert names(await kept(f"operationName eq '{action}'")) == ["DELETE bbb"]

    link: str | None = plane.client().url(PATH) + "?$top=2"
    pages: list[list[str]] = []
    while link is not None:
        reply: httpx.Response = await client.http.get(link)
        pages.append(names(reply.json()["value"]))
        link = reply.json().get("nextLink")
    assert pages == [["PUT bbb", "DELETE bbb"], ["PUT ccc", "PUT bbb"], ["PUT aaa"]]


NO_FILTERS = (
    "x",
    "caller eq me",
    "caller ge 'me'",
    "caller eq 'me' and",
    "caller eq 'me' caller eq 'you'",
    "eventTimestamp ge 'yesterday'",
    "eventTimestamp ge '9999-12-31T23:59:59-23:00'",
    "status eq 'Odd'",
    "resourceUri eq '/subscriptions/others'",
    "correlationId eq '1'",
    "((((" * 1000,
    "caller eq 'me'" + " " * 4096 + "and caller eq 'you'",
)


async def test_a_filter_that_is_none_is_refused(plane: ControlPlane) -> None:
    client = plane.client()
    for text in NO_FILTERS:
        reply = await client.get(PATH, params={"$filter": text})
        assert reply.status_code == 400, text
        assert reply.json()["error"]["target"] == "$filter"


async def test_nobody_changes_the_log(plane: ControlPlane, kept: Kept) -> None:
    client = plane.client()
    await client.put("onlineEndpoints/iris", ENDPOINT)
    before = await kept()
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        for path in (PATH, f"{PATH}/{before[0]['eventDataId']}"):
            reply = await client.http.request(method, client.url(path), json={})
            assert reply.status_code in (404, 405)
    assert await kept() == before
    assert (await plane.client("scorer").get(PATH)).status_code == 403


async def test_a_hostile_name_is_kept_as_text(plane: ControlPlane, kept: Kept) -> None:
    client = plane.client()
    for name in ("%ff%fe", "%00", "a" * 60_000, "%22'%3Cscript%3E", "%7Bx%7D"):
        assert (await client.put(f"onlineEndpoints/{name}", ENDPOINT)).status_code == 400
    found = await kept()
    assert len(found) == 5
    assert max(len(record["resourceId"]) for record in found) < 1000
    late = plane.stage.clock.now() + timedelta(days=1)
    assert await kept(f"eventTimestamp ge '{late.isoformat()}'") == []
