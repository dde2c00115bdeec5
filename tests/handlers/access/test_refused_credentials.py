"""Whoever shows too many credentials that are none, at each door."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from domain.ports import AuditQuery
from tests.handlers.conftest import BASE_URL, ControlPlane
from tests.kit.composed import composed

Shown = Callable[[str], Awaitable[httpx.Response]]


@pytest.fixture
async def door(plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """Of a host that takes two bad credentials a minute, with endpoints `iris` and `other`."""
    plane.stage.live(composed(plane.stage.adapters, base_url=BASE_URL, refused_per_minute=2))
    for name in ("iris", "other"):
        await plane.stage.put_endpoint(name)
    client = plane.client(None).http
    yield client
    await plane.stage.application.close()


def shows(door: httpx.AsyncClient, method: str, url: str) -> Shown:
    async def show(credential: str) -> httpx.Response:
        bearer = {"authorization": f"Bearer {credential}"} if credential else {}
        return await door.request(method, url, headers=bearer)

    return show


async def statuses(show: Shown, *credentials: str) -> list[int]:
    return [(await show(credential)).status_code for credential in credentials]


async def test_bad_tokens_keep_an_address_off_the_control_plane_for_a_minute(
    plane: ControlPlane, door: httpx.AsyncClient
) -> None:
    show = shows(door, "GET", plane.routes.scope.path("onlineEndpoints"))
    assert await statuses(show, "", "", "", "reader") == [401, 401, 401, 200]
    assert await statuses(show, "bad", "reader", "bad", "bad", "owner") == [401, 200, 401, 429, 429]
    assert await statuses(show, "reader") == [200], "it was taken while others were refused"
    refused = await show("owner")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["error"]["code"] == "TooManyRequests"
    plane.stage.clock.move(61)
    assert await statuses(show, "owner") == [200]


async def test_bad_keys_keep_an_address_off_one_endpoint(
    plane: ControlPlane, door: httpx.AsyncClient
) -> None:
    url = plane.routes.scope.path("onlineEndpoints", "iris", "listKeys")
    keys = (await plane.client().http.post(url)).json()
    show = shows(door, "POST", "/endpoints/iris/score")
    assert await statuses(show, keys["primaryKey"]) == [404], "it has no deployment yet"
    assert await statuses(show, "bad", "bad", "bad") == [401, 401, 429]
    refused = await show(keys["primaryKey"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "TooManyRequests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert await statuses(shows(door, "POST", "/endpoints/other/score"), "bad") == [401]
    plane.stage.clock.move(61)
    assert await statuses(show, keys["primaryKey"]) == [404]

    await plane.stage.application.audit.logins.flush()
    asked = AuditQuery(resource="onlineEndpoints/iris", action="onlineEndpoints/score/action")
    page = await plane.stage.adapters.audit_log.query(asked, page_size=10)
    assert {(each.code, each.error, each.count) for each in page.records} == {
        (401, "AuthenticationFailed", 2),
        (429, "TooManyRequests", 2),
    }
    assert {each.address for each in page.records} == {"127.0.0.1"}


async def test_bad_credentials_keep_an_address_off_the_other_doors(
    door: httpx.AsyncClient,
) -> None:
    for method, url in (
        ("POST", "/endpoints/nightly/jobs"),
        ("GET", "/endpoints/weekly/jobs"),
        ("POST", "/events/orders?code=bad"),
    ):
        found = await statuses(shows(door, method, url), "bad", "bad", "bad")
        assert found == [401, 401, 429], url
