import asyncio
import secrets
from collections.abc import Callable

import pytest

from domain import errors
from domain.ports import Create, Delete, Replace
from infra.cloud.documents.cosmos_container import CosmosContainer, parse_connection_string
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from infra.cloud.documents.cosmos_transaction import document_etag, service_etag
from tests.infra.cloud.cloud_costs import CloudCosts
from tests.infra.cloud.storage_fixtures import LONG
from tests.servers.fault_proxy import FaultProxy
from tests.servers.processes import COSMOS_KEY, CosmosServer

OpenStore = Callable[..., CosmosResourceStore]
BODY = {"kind": "Thing"}

cloud = pytest.mark.cloud


@cloud
async def test_nothing_is_asked_before_first_use_and_one_client_serves_all(
    cosmos_proxy: FaultProxy, open_store: OpenStore
) -> None:
    store = open_store(cosmos_proxy.url)
    assert cosmos_proxy.requests == []
    await asyncio.gather(*[store.transact("p", [Create(f"{n}", BODY)]) for n in range(5)])
    assert cosmos_proxy.requests.count(("POST", "/dbs/ml-endpoints/colls/")) == 1


@cloud
async def test_a_closed_store_opens_again_when_it_is_used(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    store = open_store(cosmos_server.endpoint)
    written = await store.transact("p", [Create("a", BODY)])
    await store.close()
    await store.close()
    assert [await store.get("p", "a")] == written


@cloud
async def test_a_container_that_is_not_there_is_a_fault_of_the_installation(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    store = open_store(cosmos_server.endpoint, create=False, database="nowhere")
    with pytest.raises(errors.Unavailable) as raised:
        await store.transact("p", [Create("a", BODY)])
    assert raised.value.code == "DependencyNotSetUp"


@cloud
async def test_pages_go_on_in_another_process_with_the_same_container(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    first, second = [open_store(cosmos_server.endpoint, container="shared") for _ in range(2)]
    await first.transact("p", [Create(f"{n}", BODY) for n in range(3)])
    pages = await asyncio.gather(*[s.query("Thing", page_size=1) for s in (first, second)])
    for other, page in zip((second, first), pages, strict=True):
        rest = await other.query("Thing", continuation=page.continuation)
        assert [document.id for document in rest.documents] == ["1", "2"]


@cloud
@pytest.mark.parametrize("id", ["100%", "%41", "a%2Fb", "...", "a+b", " lead", "é\u2028"])
async def test_an_id_that_a_url_would_change_is_kept(
    cosmos_server: CosmosServer, open_store: OpenStore, id: str
) -> None:
    store = open_store(cosmos_server.endpoint)
    written = await store.transact('a partition/with, "all" & ü', [Create(id, BODY)])
    assert written == [await store.get('a partition/with, "all" & ü', id)]


@cloud
async def test_an_id_that_cannot_be_is_not_found(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    store = open_store(cosmos_server.endpoint)
    with pytest.raises(errors.DocumentNotFound):
        await store.get("p", "a/b")


@pytest.mark.parametrize("etag", ['"0a00-1"', "0b2f-uuid", '""', "*", ""])
def test_an_etag_of_the_service_comes_back_as_it_was(etag: str) -> None:
    assert service_etag(document_etag(etag)) in (etag, f'"~{etag}"')
    assert '"' not in document_etag(etag)


@pytest.mark.parametrize("etag", ["", "*", "~", "~*", "~~"])
def test_no_etag_is_ever_a_wildcard(etag: str) -> None:
    assert service_etag(etag) not in ("", "*")


@cloud
@pytest.mark.parametrize("etag", ["", "*", "~*"])
async def test_an_etag_that_would_be_no_condition_is_one(
    cosmos_server: CosmosServer, open_store: OpenStore, etag: str
) -> None:
    store = open_store(cosmos_server.endpoint)
    await store.transact("p", [Create("a", BODY)])
    for write in (Replace("a", BODY, etag), Delete("a", etag)):
        with pytest.raises(errors.StaleETag):
            await store.transact("p", [write])


@cloud
async def test_what_is_due_or_will_vanish_says_so_to_the_service(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    name = secrets.token_hex(8)
    store = open_store(cosmos_server.endpoint, database="test", container=name)
    await store.transact("p", [Create("a", BODY, due_at=5.5, ttl=60), Create("b", BODY)])
    beside = CosmosContainer(
        cosmos_server.endpoint,
        COSMOS_KEY,
        database="test",
        name=name,
        create=False,
        patience=LONG,
        client_options={"enable_endpoint_discovery": False},
    )
    container = await beside.opened()
    item = await container.read_item("a", "p")
    assert (item["due_at"], item["ttl"], item["place"]) == (5.5, 60, "p\0a")
    assert {"due_at", "ttl"}.isdisjoint(await container.read_item("b", "p"))
    await beside.close()


@cloud
async def test_reading_is_one_point_read_and_a_transaction_one_batch(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    costs = CloudCosts()
    store = open_store(cosmos_server.endpoint, client_options={"transport": costs.cosmos()})
    await store.transact("q", [Create("there", BODY)])
    with costs.counting() as counted:
        await store.get("q", "there")
    assert counted.by_name == {"cosmos read item": 1}
    assert counted.partitions == {"q"}
    with costs.counting() as counted:
        await store.transact("p", [Create(f"{n}", {**BODY, "n": n}) for n in range(50)])
    assert counted.by_name == {"cosmos batch": 1}
    assert counted.partitions == {"p"}
    assert 100 < counted.largest_document < 300


@cloud
async def test_text_outside_ascii_is_not_blown_up_on_the_wire(
    cosmos_server: CosmosServer, open_store: OpenStore
) -> None:
    costs = CloudCosts()
    store = open_store(cosmos_server.endpoint, client_options={"transport": costs.cosmos()})
    body = {**BODY, "text": "ü" * 500_000}
    assert (await store.transact("p", [Create("a", body)]))[0].body == body


def test_a_connection_string_gives_endpoint_and_key() -> None:
    text = "AccountEndpoint=https://a.example:443/;AccountKey=a2V5PT0=;"
    assert parse_connection_string(text) == ("https://a.example:443/", "a2V5PT0=")


@pytest.mark.parametrize("text", ["", "AccountEndpoint=https://a.example/", "AccountKey=c2VjcmV0"])
def test_a_connection_string_that_is_none_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        parse_connection_string(text)
    assert "c2VjcmV0" not in raised.value.message
