"""Pages of other origins at the scoring URI."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import PRIMARY, Gateways, opened

SCORE = "/endpoints/iris/score"
APP = "https://app.example"
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
KEY = {"Authorization": f"Bearer {PRIMARY}"}


async def with_blue(gateways: Gateways) -> httpx.AsyncClient:
    await gateways.iris("blue")
    await gateways.patch(traffic={"blue": 100})
    own = [("access-control-allow-origin", "https://the-model-s-own.example")]
    gateways.scorer.script = lambda instance, request: says(200, b"1", own)
    return gateways.one.http


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = {"cors_origins": f"{APP}/, https://other.example:8443"}
    async with opened(tmp_path, hosts=1, settings=settings) as gateways:
        yield await with_blue(gateways)


@pytest.mark.parametrize("path", [SCORE, "/endpoints/iris/swagger.json"])
async def test_a_preflight_is_answered_by_the_gateway_without_a_key(
    http: httpx.AsyncClient, path: str
) -> None:
    reply = await http.options(path, headers=PREFLIGHT)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == APP
    assert reply.headers["access-control-allow-headers"] == "authorization,content-type"
    assert ("POST" in reply.headers["access-control-allow-methods"]) is (path == SCORE)
    assert int(reply.headers["access-control-max-age"]) > 0
    assert "Origin" in reply.headers["vary"]


async def test_a_preflight_of_an_origin_that_is_not_allowed_gets_no_permission(
    http: httpx.AsyncClient,
) -> None:
    for origin in ("https://evil.example", "https://app.example.evil.example", "null"):
        reply = await http.options(SCORE, headers={**PREFLIGHT, "Origin": origin})
        assert reply.status_code == 204
        assert "access-control-allow-origin" not in reply.headers
        assert "access-control-allow-methods" not in reply.headers


@pytest.mark.parametrize(("headers", "status"), [(KEY, 200), ({}, 401)])
async def test_a_page_may_read_answers_and_refusals_with_their_headers(
    http: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    reply = await http.post(SCORE, content=b"1", headers={**headers, "Origin": APP})
    assert reply.status_code == status
    assert reply.headers.get_list("access-control-allow-origin") == [APP]
    assert "azureml-model-deployment" in reply.headers["access-control-expose-headers"]
    assert reply.headers["vary"] == "Origin"


async def test_another_page_and_a_plain_client_get_no_permission(http: httpx.AsyncClient) -> None:
    for headers in (KEY, {**KEY, "Origin": "https://evil.example"}):
        reply = await http.post(SCORE, content=b"1", headers=headers)
        assert (reply.status_code, reply.content) == (200, b"1")
        assert "access-control-allow-origin" not in reply.headers


async def test_options_that_are_no_preflight_go_to_the_model(http: httpx.AsyncClient) -> None:
    reply = await http.options(SCORE, headers=KEY)
    assert (reply.status_code, reply.content) == (200, b"1")


async def test_every_origin_may_be_allowed(tmp_path: Path) -> None:
    async with opened(tmp_path, hosts=1, settings={"cors_origins": "*"}) as gateways:
        http = await with_blue(gateways)
        reply = await http.post(SCORE, content=b"1", headers={**KEY, "Origin": "https://x.example"})
        assert reply.headers.get_list("access-control-allow-origin") == ["*"]


async def test_without_the_setting_the_model_speaks_for_itself(tmp_path: Path) -> None:
    async with opened(tmp_path, hosts=1) as gateways:
        http = await with_blue(gateways)
        reply = await http.options(SCORE, headers={**PREFLIGHT, **KEY})
        assert (reply.status_code, reply.content) == (200, b"1")
        own = "https://the-model-s-own.example"
        assert reply.headers["access-control-allow-origin"] == own
        reply = await http.options("/endpoints/iris/swagger.json", headers=PREFLIGHT)
        assert reply.status_code == 401, "asked like any other, and without a key"
