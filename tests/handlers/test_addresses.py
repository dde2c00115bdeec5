"""Links, behind a proxy and without one."""

from collections.abc import Callable
from ipaddress import ip_network

import azure.functions as func
import pytest
from starlette.requests import Request

from domain.names import WorkspaceScope
from handlers.addresses import Addresses, client_address
from handlers.control import workspaces
from handlers.http import Routes, json_response
from infra.web.client_address import TrustedProxies
from tests.handlers.conftest import OpenClient
from tests.kit.clocks import HeldClock
from tests.kit.composed import RoleVerifier, admission
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

BASE = "https://inside.example:7443/ml"
PROXY = {"x-forwarded-for": "203.0.113.9", "x-forwarded-host": "ml.example"}

MakeRoutes = Callable[..., Routes]


@pytest.fixture
def behind(scope: WorkspaceScope) -> MakeRoutes:
    """Routes that trust proxies of these networks; the test's own client is at 127.0.0.1."""

    def made(*networks: str) -> Routes:
        proxies = TrustedProxies([ip_network(each) for each in networks], "x-forwarded")
        admitted = admission(RoleVerifier(), MemoryResourceStore(HeldClock().unix))
        return Routes(admitted, admitted, scope, Addresses(BASE, None, proxies, None))

    return made


async def test_a_link_leads_where_a_trusted_proxy_says_that_it_was_asked(
    behind: MakeRoutes, open_client: OpenClient
) -> None:
    client = open_client(workspaces.blueprint(behind("127.0.0.0/8"), "here"))
    https = {**PROXY, "x-forwarded-proto": "https"}
    assert (await client.get("discovery", headers=https)).json() == {"api": "https://ml.example/ml"}
    assert (await client.get("discovery")).json() == {"api": BASE}


async def test_what_anybody_else_says_of_it_means_nothing(
    behind: MakeRoutes, open_client: OpenClient
) -> None:
    for routes in (behind("10.0.0.0/8"), behind()):
        client = open_client(workspaces.blueprint(routes, "here"))
        assert (await client.get("discovery", headers=PROXY)).json() == {"api": BASE}


async def test_a_handler_sees_the_client_and_not_the_proxy(
    behind: MakeRoutes, open_client: OpenClient
) -> None:
    routes, blueprint = behind("127.0.0.1/32"), func.Blueprint()

    async def who(req):  # type: ignore[no-untyped-def]  # indexed by its annotations
        return json_response([client_address(req), req.url.hostname, req.headers["host"]])

    routes.register(blueprint, "who", "GET", "who", who)
    reply = await open_client(blueprint).get("who", headers=PROXY)
    assert reply.json() == ["203.0.113.9", "ml.example", "ml.example"]


@pytest.mark.parametrize(
    ("domain", "place"),
    [
        (None, "https://inside.example:7443/ml/endpoints/Iris"),
        ("scoring.example", "https://iris.scoring.example:7443"),
        ("scoring.example:443", "https://iris.scoring.example:443"),
    ],
)
def test_an_endpoint_is_found_below_the_path_or_the_scoring_domain(
    domain: str | None, place: str
) -> None:
    assert (
        Addresses(BASE, domain, TrustedProxies((), "x-forwarded"), None).of_endpoint("Iris")
        == place
    )


def test_online_endpoints_are_asked_where_their_gateways_are_and_jobs_here() -> None:
    nobody = TrustedProxies((), "x-forwarded")
    addresses = Addresses(BASE, None, nobody, "https://scores.example/ml")
    assert addresses.of_online_endpoint("Iris") == "https://scores.example/ml/endpoints/Iris"
    assert addresses.of_endpoint("Iris") == f"{BASE}/endpoints/Iris"
    without = Addresses(BASE, "scoring.example:443", nobody, None)
    assert without.of_online_endpoint("Iris") == without.of_endpoint("Iris")


@pytest.mark.parametrize(
    ("domain", "host", "endpoint"),
    [
        (None, "iris.anything.example:7443", "iris"),
        (None, "localhost:7443", ""),
        ("scoring.example", "iris.scoring.example", "iris"),
        ("scoring.example:443", "IRIS.Scoring.Example.:8443", "iris"),
        ("scoring.example", "iris.other.example", ""),
        ("scoring.example", "a.iris.scoring.example", ""),
        ("scoring.example", "scoring.example", ""),
        ("scoring.example", ".scoring.example", ""),
        ("scoring.example", "127.0.0.1:7443", ""),
    ],
)
def test_a_host_name_stands_for_one_endpoint_of_the_scoring_domain(
    domain: str | None, host: str, endpoint: str
) -> None:
    addresses = Addresses(BASE, domain, TrustedProxies((), "x-forwarded"), None)
    request = Request({"type": "http", "headers": [(b"host", host.encode())]})
    assert addresses.endpoint_of_host(request) == endpoint
