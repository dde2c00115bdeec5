"""The Cosmos DB adapter behind a proxy that injects what the loopback server never does."""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from domain import errors
from domain.ports import Create, Delete, Replace
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from infra.cloud.patience import Patience
from tests.infra.cloud.changed_patience import change
from tests.infra.cloud.storage_fixtures import LONG
from tests.kit.waiting import eventually
from tests.servers.fault_proxy import Fault, FaultProxy, How, answer
from tests.servers.processes import CosmosServer

pytestmark = pytest.mark.cloud

OpenStore = Callable[..., CosmosResourceStore]
BODY = {"kind": "Thing"}

QUICK = 3.0
"""A wait that the tests can sit out for an answer that never comes."""

PASSING = {
    "429": answer(429, x_ms_retry_after_ms="20"),
    "449": answer(449),
    "503": answer(503),
    "500": answer(500),
    "408": answer(408),
    "410": answer(410),
    "cut": Fault(How.CUT),
    "cut answer": Fault(How.CUT_BODY),
}


def is_item(method: str, path: str) -> bool:
    return "/docs" in path


@pytest.fixture
def patience() -> Patience:
    return replace(LONG)


@pytest.fixture
def container() -> str:
    return secrets.token_hex(8)


@pytest.fixture
async def store(
    cosmos_proxy: FaultProxy, open_store: OpenStore, patience: Patience, container: str
) -> CosmosResourceStore:
    store = open_store(cosmos_proxy.url, patience=patience, container=container)
    await store.transact("p", [Create("there", BODY)])
    return store


Call = Callable[[CosmosResourceStore], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "get": lambda store: store.get("p", "there"),
    "transact": lambda store: store.transact("p", [Replace("there", BODY, None)]),
    "query": lambda store: store.query("Thing", partition="p"),
    "query across": lambda store: store.query("Thing"),
    "due": lambda store: store.due(1),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_fault_that_passes_is_not_seen(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy, call: Call, fault: Fault
) -> None:
    cosmos_proxy.next(fault, fault, when=is_item)
    await call(store)
    assert cosmos_proxy.left == 0


async def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy, patience: Patience
) -> None:
    change(patience, attempt=QUICK)
    cosmos_proxy.next(Fault(How.HANG), when=is_item)
    await store.get("p", "there")
    assert cosmos_proxy.left == 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_throttling_that_lasts_is_surfaced_with_its_wait(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy, call: Call
) -> None:
    cosmos_proxy.next(answer(429, x_ms_retry_after_ms="600000"), when=is_item)
    with pytest.raises(errors.Throttled) as raised:
        await call(store)
    assert raised.value.retry_after == 600.0


@pytest.mark.parametrize("fault", [answer(503), answer(449), Fault(How.CUT)])
async def test_a_fault_that_lasts_is_surfaced_when_the_budget_is_spent(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy, fault: Fault, patience: Patience
) -> None:
    cosmos_proxy.next(*[fault] * 100_000, when=is_item)
    tries, budget = 0, 0.5
    while tries < 3:
        # Enough for this machine to try it three times.
        change(patience, budget=budget)
        asked_before = len(cosmos_proxy.requests)
        with pytest.raises(errors.Unavailable):
            await store.get("p", "there")
        tries = len(cosmos_proxy.requests) - asked_before
        assert tries <= 120 * budget
        budget *= 2


async def test_a_service_that_never_answers_is_given_up(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy, patience: Patience
) -> None:
    change(patience, budget=0.6, attempt=0.2)
    cosmos_proxy.next(*[Fault(How.HANG)] * 10, when=is_item)
    with pytest.raises(errors.Unavailable, match="no answer in time"):
        await store.get("p", "there")


async def test_a_refused_credential_is_our_fault_and_not_tried_again(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy
) -> None:
    cosmos_proxy.next(answer(401), when=is_item)
    with pytest.raises(errors.Unavailable) as raised:
        await store.get("p", "there")
    assert raised.value.code == "DependencyRefusedUs"
    assert cosmos_proxy.left == 0


AMBIGUOUS = {"cut": Fault(How.CUT_AFTER), "no answer": Fault(How.HANG_AFTER)}


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_a_write_whose_answer_is_lost_is_applied_once_and_succeeds(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy, fault: Fault, patience: Patience
) -> None:
    there = await store.get("p", "there")
    change(patience, attempt=QUICK)
    cosmos_proxy.next(fault, when=is_item)
    created, replaced = await store.transact(
        "p", [Create("new", {**BODY, "n": 1}), Replace("there", {**BODY, "n": 2}, there.etag)]
    )
    assert cosmos_proxy.left == 0
    assert created == await store.get("p", "new")
    assert replaced == await store.get("p", "there")
    assert replaced.body["n"] == 2


async def test_a_write_whose_answer_is_lost_and_that_lost_the_race_is_refused(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy
) -> None:
    there = await store.get("p", "there")
    await store.transact("p", [Replace("there", {**BODY, "by": "another"}, there.etag)])
    cosmos_proxy.next(Fault(How.CUT_AFTER), when=is_item)
    with pytest.raises(errors.StaleETag):
        await store.transact("p", [Replace("there", BODY, there.etag)])
    cosmos_proxy.next(Fault(How.CUT_AFTER), when=is_item)
    with pytest.raises(errors.DocumentExists):
        await store.transact("p", [Create("there", BODY)])
    assert (await store.get("p", "there")).body["by"] == "another"


async def test_a_written_document_that_another_has_changed_since_has_nobodys_etag(
    store: CosmosResourceStore,
    cosmos_proxy: FaultProxy,
    cosmos_server: CosmosServer,
    open_store: OpenStore,
    patience: Patience,
    container: str,
) -> None:
    other = open_store(cosmos_server.endpoint, container=container)
    held = asyncio.create_task(_written_when_cut(store, cosmos_proxy, patience))

    async def changed() -> bool:
        try:
            await other.transact("p", [Replace("a", {**BODY, "by": "another"}, None)])
        except errors.DocumentNotFound:
            return False
        return True

    await eventually(changed)
    first, second = await held
    assert second == await store.get("p", "b")
    with pytest.raises(errors.StaleETag):
        await store.transact("p", [Replace("a", BODY, first.etag)])
    assert (await store.get("p", "a")).body["by"] == "another"


async def _written_when_cut(
    store: CosmosResourceStore, proxy: FaultProxy, patience: Patience
) -> tuple[Any, Any]:
    change(patience, attempt=QUICK)
    proxy.next(Fault(How.HANG_AFTER), when=is_item)
    first, second = await store.transact("p", [Create("a", BODY), Create("b", BODY)])
    return first, second


async def test_a_deletion_whose_answer_is_lost_succeeds_if_it_had_no_condition(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy
) -> None:
    cosmos_proxy.next(Fault(How.CUT_AFTER), when=is_item)
    assert await store.transact("p", [Delete("there")]) == []
    with pytest.raises(errors.DocumentNotFound):
        await store.get("p", "there")


async def test_a_conditional_deletion_whose_answer_is_lost_says_that_nobody_knows(
    store: CosmosResourceStore, cosmos_proxy: FaultProxy
) -> None:
    there = await store.get("p", "there")
    cosmos_proxy.next(Fault(How.CUT_AFTER), when=is_item)
    with pytest.raises(errors.Unavailable):
        await store.transact("p", [Delete("there", there.etag)])


async def test_opening_is_tried_again_and_then_surfaced(
    cosmos_proxy: FaultProxy, open_store: OpenStore
) -> None:
    store = open_store(cosmos_proxy.url, patience=LONG)
    cosmos_proxy.next(answer(503), Fault(How.CUT))
    await store.transact("p", [Create("a", BODY)])
    patience = Patience(budget=0.3, attempt=0.2, first_wait=0.01, longest_wait=0.05)
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        nowhere = open_store(f"http://127.0.0.1:{port}", patience=patience)
        with pytest.raises(errors.Unavailable):
            await nowhere.get("p", "a")
