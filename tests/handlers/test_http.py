"""The edge: who may call, how refusals, pages, conditions and links look."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import domain
import handlers
import infra
from domain.errors import DomainError, Throttled, Unauthenticated, Unavailable
from handlers import refusals
from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.kit.arm_client import ArmClient

ENDPOINT: dict[str, Any] = {"properties": {}}


def every_error() -> Iterator[type[DomainError]]:
    for package in (domain, handlers, infra):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

    def below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
        yield kind
        for leaf in kind.__subclasses__():
            yield from below(leaf)

    return (kind for kind in below(DomainError) if kind is not DomainError)


def test_every_error_of_the_code_base_has_a_status_and_a_code_of_its_own() -> None:
    kinds = list(every_error())
    assert len(kinds) > len(refusals.STATUS)
    for kind in kinds:
        assert any(base in refusals.STATUS for base in kind.__mro__), kind
        assert kind.code != DomainError.code, kind
        assert kind.code[0].isupper(), kind
        assert kind.code.isalnum(), kind


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.0, 30.0, 1.5])
def test_retry_after_is_a_whole_number_of_at_least_one(seconds: float) -> None:
    for error in (Throttled("x", retry_after=seconds), Unavailable("x", retry_after=seconds)):
        value = refusals.render_error(error).headers["Retry-After"]
        assert int(value) >= max(1, seconds - 0.5)


def test_an_unauthenticated_answer_names_the_scheme() -> None:
    reply = refusals.render_error(Unauthenticated("x"))
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, "Bearer")


def envelope(reply: Any) -> dict[str, Any]:
    body: dict[str, Any] = reply.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "target", "details", "additionalInfo"}
    assert reply.headers["x-ms-error-code"] == body["error"]["code"]
    assert reply.headers["content-type"] == "application/json"
    return dict(body["error"])


# -- who may call -----------------------------------------------------------------------------


async def test_without_a_token_the_answer_is_401(plane: ControlPlane) -> None:
    reply = await plane.client(None).get("onlineEndpoints")
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert envelope(reply)["code"] == "AuthenticationFailed"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic b3duZXI6", "owner", "Bearer nobody", "Bearer a b"]
)
async def test_a_token_that_is_none_is_401(plane: ControlPlane, header: str) -> None:
    reply = await plane.client(None).get("", headers={"Authorization": header})
    assert reply.status_code == 401


async def test_the_scheme_is_read_in_any_case(plane: ControlPlane) -> None:
    reply = await plane.client(None).get("", headers={"Authorization": "bearer  owner"})
    assert reply.status_code == 200


async def test_credentials_are_looked_at_before_anything_else(plane: ControlPlane) -> None:
    client = plane.client(None)
    assert (await client.put("onlineEndpoints/x", "not an object")).status_code == 401
    assert (await client.get("onlineEndpoints?api-version=x")).status_code == 401
    reply = await plane.client("reader").put("onlineEndpoints/x", "not an object")
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("reader", "GET", "onlineEndpoints/iris", 200),
        ("reader", "GET", "onlineEndpoints", 200),
        ("reader", "PUT", "onlineEndpoints/iris", 403),
        ("reader", "PATCH", "onlineEndpoints/iris", 403),
        ("reader", "DELETE", "onlineEndpoints/iris", 403),
        ("reader", "POST", "onlineEndpoints/iris/listKeys", 403),
        ("reader", "POST", "onlineEndpoints/iris/regenerateKeys", 403),
        ("reader", "POST", "onlineEndpoints/iris/deployments/blue/getLogs", 403),
        ("reader", "PUT", "batchEndpoints/iris/deployments/blue", 403),
        ("contributor", "POST", "onlineEndpoints/iris/listKeys", 200),
        ("contributor", "PATCH", "onlineEndpoints/iris", 202),
        ("owner", "DELETE", "onlineEndpoints/iris", 202),
    ],
)
async def test_roles_decide_what_a_caller_may_do(
    plane: ControlPlane, role: str, method: str, path: str, status: int
) -> None:
    await plane.stage.put_endpoint()
    await plane.stage.settle()
    client = plane.client(role)
    reply = await client.http.request(method, client.url(path), json={})
    assert reply.status_code == status, reply.text
    if status == 403:
        error = envelope(reply)
        assert error["code"] == "AuthorizationFailed"
        assert "contributor" in error["message"]


# -- where ------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["subscriptions/0", "resourceGroups/g", "workspaces/w"])
async def test_another_workspace_is_not_found(plane: ControlPlane, part: str) -> None:
    client = plane.client()
    path = client.url("onlineEndpoints").replace(part, part + "1")
    assert path != client.url("onlineEndpoints")
    reply = await client.http.get(path)
    assert reply.status_code == 404
    assert plane.routes.scope.id in envelope(reply)["message"]


async def test_the_path_is_read_in_any_case(plane: ControlPlane) -> None:
    client = plane.client()
    await client.put("ONLINEENDPOINTS/iris", ENDPOINT)
    reply = await client.http.get(client.url("onlineendpoints/IRIS").upper())
    assert reply.status_code == 200
    assert reply.json()["name"] == "iris"


@pytest.mark.parametrize(
    "version", ["2024-10-01", "2022-02-01-preview", "2020-09-01-dataplanepreview", None]
)
async def test_any_date_is_an_api_version(plane: ControlPlane, version: str | None) -> None:
    params = {"api-version": version} if version else {}
    assert (await plane.client().get("", params=params)).status_code == 200


@pytest.mark.parametrize("version", ["latest", "", "1", "2024-10-01-", "x" * 5000, "2024-10-01\n"])
async def test_what_is_no_date_is_no_api_version(plane: ControlPlane, version: str) -> None:
    reply = await plane.client().get("", params={"api-version": version})
    assert reply.status_code == 400
    error = envelope(reply)
    assert (error["code"], error["target"]) == ("InvalidApiVersionParameter", "api-version")
    assert len(error["message"]) < 200


HOSTILE = {
    "an encoded slash": "a%2Fb",
    "encoded dots": "%2e%2e",
    "dots and a slash": "..%2F..%2Fetc",
    "a backslash": "a%5Cb",
    "a NUL": "%00",
    "a newline": "a%0d%0aX-Header:%20x",
    "unicode": "%C3%BCnic%C3%B6de",
    "broken UTF-8": "%ff%fe",
    "a question mark": "a%3Fb",
    "a hash": "a%23b",
    "300 characters": "a" * 300,
    "60,000 characters": "a" * 60_000,
    "a percent": "100%25",
    "quotes": "%22'%3Cscript%3E",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_name_is_not_found_and_cannot_be_made(
    plane: ControlPlane, name: str
) -> None:
    client = plane.client()
    await plane.stage.put_endpoint()
    for path in (
        f"onlineEndpoints/{name}",
        f"onlineEndpoints/{name}/deployments",
        f"onlineEndpoints/iris/deployments/{name}",
        f"batchEndpoints/{name}",
        f"mfeOperationsStatus/{name}",
        f"mfeOperationResults/{name}",
    ):
        reply = await client.get(path)
        assert reply.status_code == 404, (path[:80], reply.text)
        assert len(envelope(reply)["message"]) < 1000
    refused = await client.put(f"onlineEndpoints/{name}", ENDPOINT)
    assert refused.status_code == 400
    assert [d["target"] for d in envelope(refused)["details"]] == ["name"]
    refused = await client.put(f"onlineEndpoints/iris/deployments/{name}", {"properties": {}})
    assert refused.status_code == 400
    assert "name" in [d["target"] for d in envelope(refused)["details"]]
    assert (await client.delete(f"onlineEndpoints/{name}")).status_code == 204
    assert (await client.post(f"onlineEndpoints/{name}/listKeys")).status_code == 404


# -- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "InvalidRequestContent"),
        (b"{", 400, "InvalidRequestContent"),
        (b"[" * 50_000, 400, "InvalidRequestContent"),
        (b'{"properties": {"description": "\\ud800"}}', 400, "InvalidRequestContent"),
        (b"[]", 400, "BadArgument"),
        (b'"\\u0000"', 400, "BadArgument"),
        (b'{"properties": {"traffic": {"a\\u0000": 1}}}', 400, "BadArgument"),
        (b'{"properties": {"description": "' + b"x" * 5000 + b'"}}', 400, "BadArgument"),
        (b" " * (1024 * 1024 + 1), 413, "RequestEntityTooLarge"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_bad_body_ends_in_a_clear_error(
    plane: ControlPlane, method: str, body: bytes, status: int, code: str
) -> None:
    await plane.stage.put_endpoint()
    await plane.stage.settle()
    client = plane.client()
    reply = await client.http.request(method, client.url("onlineEndpoints/iris"), content=body)
    assert reply.status_code == status
    assert envelope(reply)["code"] == code


async def test_text_of_any_kind_comes_back_as_it_was(plane: ControlPlane) -> None:
    text = "ünï \u0000 \U0001f642 \n \\ \" '</script>"
    client = plane.client()
    await client.put(
        "onlineEndpoints/iris", {"properties": {"description": text}, "tags": {text: text}}
    )
    body = (await client.get("onlineEndpoints/iris")).json()
    assert (body["properties"]["description"], body["tags"]) == (text, {text: text})


# -- pages ------------------------------------------------------------------------------------


async def test_pages_are_linked_absolutely_and_keep_the_query(plane: ControlPlane) -> None:
    names = ["eee", "aaa", "ccc", "bbb", "ddd"]
    for name in names:
        await plane.stage.put_endpoint(name)
    client = plane.client()
    query = {"$top": "2", "api-version": "2024-10-01", "note": "a b&c=ü"}
    reply = await client.get("onlineEndpoints", params=query)
    found: list[str] = []
    for _ in range(10):
        page = reply.json()
        found += [item["name"] for item in page["value"]]
        link = page.get("nextLink")
        if link is None:
            break
        assert link.startswith(f"{BASE_URL}/subscriptions/")
        given = parse_qs(urlsplit(link).query)
        assert {key: given[key] for key in query} == {k: [v] for k, v in query.items()}
        assert len(given["$skip"]) == 1
        reply = await client.http.get(link)
    assert found == sorted(names)


@pytest.mark.parametrize("top", ["0", "-1", "1001", "x", "1.5", "٣", "1" * 5000, " 1"])
async def test_a_page_size_that_is_none_is_refused(plane: ControlPlane, top: str) -> None:
    reply = await plane.client().get("onlineEndpoints", params={"$top": top})
    assert reply.status_code == 400
    assert envelope(reply)["target"] == "$top"


@pytest.mark.parametrize("skip", ["x", "", "a" * 5000, "\x00", "ü"])
async def test_a_continuation_never_given_is_refused(plane: ControlPlane, skip: str) -> None:
    reply = await plane.client().get("onlineEndpoints", params={"$skip": skip})
    assert reply.status_code == 400, reply.text


# -- conditions -------------------------------------------------------------------------------


async def test_an_etag_is_quoted_and_guards_every_kind_of_change(plane: ControlPlane) -> None:
    client = plane.client()
    made = await client.put("onlineEndpoints/iris", ENDPOINT, headers={"If-None-Match": "*"})
    assert made.status_code == 201
    assert made.headers["ETag"].startswith('"')
    assert made.headers["ETag"].endswith('"')
    await client.finish(made)
    etag = (await client.get("onlineEndpoints/iris")).headers["ETag"]
    for stale in (made.headers["ETag"], '"x"', "x"):
        old = {"If-Match": stale}
        for reply in (
            await client.put("onlineEndpoints/iris", ENDPOINT, headers=old),
            await client.patch("onlineEndpoints/iris", {}, headers=old),
            await client.delete("onlineEndpoints/iris", headers=old),
        ):
            assert reply.status_code == 412
            assert envelope(reply)["code"] == "PreconditionFailed"
    changed = await client.patch("onlineEndpoints/iris", {}, headers={"If-Match": etag})
    assert changed.status_code == 202
    await client.finish(changed)
    etag = (await client.get("onlineEndpoints/iris")).headers["ETag"].strip('"')
    bare = {"If-Match": etag}
    assert (await client.put("onlineEndpoints/iris", ENDPOINT, headers=bare)).status_code == 200
    etag = (await client.get("onlineEndpoints/iris")).headers["ETag"]
    removed = await client.delete("onlineEndpoints/iris", headers={"If-Match": f"W/{etag}"})
    assert removed.status_code == 202


async def test_conditions_on_what_is_not_there(plane: ControlPlane) -> None:
    client = plane.client()
    path = "onlineEndpoints/iris"
    assert (await client.put(path, ENDPOINT, headers={"If-Match": '"x"'})).status_code == 412
    assert (await client.put(path, ENDPOINT, headers={"If-Match": "*"})).status_code == 404
    assert (await client.patch(path, {}, headers={"If-Match": "*"})).status_code == 404


async def test_if_none_match_guards_a_creation(plane: ControlPlane) -> None:
    client = plane.client()
    await plane.stage.put_endpoint()
    await plane.stage.settle()
    fresh = {"If-None-Match": "*"}
    assert (await client.put("onlineEndpoints/iris", ENDPOINT, headers=fresh)).status_code == 412


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", {"If-None-Match": '"x"'}),
        ("PUT", {"If-Match": '"x", "y"'}),
        ("PATCH", {"If-None-Match": "*"}),
    ],
)
async def test_a_condition_that_is_not_understood_is_refused_not_ignored(
    plane: ControlPlane, method: str, headers: dict[str, str]
) -> None:
    await plane.stage.put_endpoint()
    client = plane.client()
    url = client.url("onlineEndpoints/iris")
    reply = await client.http.request(method, url, json=ENDPOINT, headers=headers)
    assert reply.status_code == 400
    assert envelope(reply)["target"] == next(iter(headers))


# -- long-running -----------------------------------------------------------------------------


async def test_links_of_an_operation_are_absolute_and_the_wait_is_whole_seconds(
    plane: ControlPlane,
) -> None:
    client: ArmClient = plane.client()
    made = await client.put("onlineEndpoints/iris", ENDPOINT)
    await client.finish(made)
    replies = [
        made,
        await client.patch("onlineEndpoints/iris", {}),
        await client.delete("onlineEndpoints/iris"),
    ]
    for reply in replies:
        assert int(reply.headers["Retry-After"]) >= 1
        assert reply.headers["Azure-AsyncOperation"].startswith(BASE_URL + "/subscriptions/")
    for reply in replies[1:]:
        assert reply.headers["Location"].startswith(BASE_URL + "/subscriptions/")


async def test_a_conflict_is_told_as_arm_does(plane: ControlPlane) -> None:
    client = plane.client()
    await client.put("onlineEndpoints/iris", ENDPOINT)
    for reply in (
        await client.put("onlineEndpoints/iris", ENDPOINT),
        await client.patch("onlineEndpoints/iris", {}),
        await client.post("onlineEndpoints/iris/regenerateKeys", {"keyType": "Primary"}),
    ):
        assert reply.status_code == 409
        assert envelope(reply)["code"] == "OperationInProgress"


async def test_a_method_that_is_not_offered_is_405_with_those_that_are(plane: ControlPlane) -> None:
    client = plane.client()
    reply = await client.post("onlineEndpoints/iris", {})
    assert reply.status_code == 405
    assert reply.headers["allow"] == "DELETE, GET, PATCH, PUT"
