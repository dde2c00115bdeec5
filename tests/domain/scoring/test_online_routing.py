"""Routes: how fresh they are, what a reading costs, and what a split does across readings."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ground.keys import KeyType, matches
from domain.ground.provisioning_state import ProvisioningState
from domain.scoring.online_routing import RouteTable
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import HeldClock
from tests.kit.computes import known
from tests.kit.stages.scoring_stage import PRIMARY, SECONDARY, Endpoints, WatchedStore
from tests.kit.waiting import PATIENCE, eventually


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[WatchedStore]:
    real = SqliteResourceStore(tmp_path / "documents.db")
    yield WatchedStore(real)
    await real.close()


@pytest.fixture
async def endpoints(store: WatchedStore) -> Endpoints:
    endpoints = Endpoints(store)
    await endpoints.put("iris", {"blue": 90, "green": 10})
    await endpoints.put_deployment("iris", "blue", timeout=2.5, max_concurrent=7)
    await endpoints.put_deployment("iris", "green")
    store.gets = store.queries = 0
    return endpoints


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def table(store: WatchedStore, clock: HeldClock) -> RouteTable:
    return RouteTable(store, clock, read_limit=PATIENCE, refresh=known)


async def settled(store: WatchedStore) -> None:
    """Until no reading is under way: one begins, and ends, a turn of the loop away from its
    calls of the store."""
    for _ in range(3):
        await asyncio.sleep(0)
        await eventually(lambda: store.under_way == 0)


async def test_a_route_tells_keys_deployments_and_limits(
    table: RouteTable, endpoints: Endpoints
) -> None:
    route = await table.find("iris")
    assert route is not None
    assert matches(PRIMARY.encode(), route.key_digests)
    assert matches(SECONDARY.encode(), route.key_digests)
    assert not matches(b"another", route.key_digests)
    blue = route.deployment("BLUE")
    assert blue is not None
    assert (blue.name, blue.workload_key) == ("blue", "online/iris/blue")
    assert (blue.request_timeout, blue.max_concurrent) == (2.5, 7)
    assert blue.state is ProvisioningState.SUCCEEDED
    assert route.deployment("red") is None


async def test_names_are_case_insensitive(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore
) -> None:
    assert await table.find("IRIS") is await table.find("iris")
    assert store.gets == 1


async def test_a_fresh_route_costs_no_read(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    await table.find("iris")
    clock.move(0.99)
    for _ in range(100):
        await table.find("iris")
    assert (store.gets, store.queries) == (1, 1)


async def test_an_ageing_route_is_read_once_behind_the_requests(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    first = await table.find("iris")
    clock.move(1.5)
    store.gate.clear()
    for _ in range(100):
        assert await table.find("iris") is first
    await asyncio.sleep(0)
    assert store.gets == 2
    store.gate.set()
    await settled(store)
    clock.move(0.9)
    assert await table.find("iris") is first
    assert (store.gets, store.queries) == (2, 1)


async def test_an_old_route_makes_every_request_wait_for_one_reading(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    await table.find("iris")
    clock.move(2.0)
    store.gate.clear()
    waiting = [asyncio.create_task(table.find("iris")) for _ in range(50)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    store.gate.set()
    assert len({id(route) for route in await asyncio.gather(*waiting)}) == 1
    assert store.gets == 2


async def test_a_reading_that_took_long_will_do_for_those_who_came_before_it(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    store.gate.clear()
    first = asyncio.create_task(table.find("iris"))
    await eventually(lambda: store.under_way)
    clock.move(3)
    second = asyncio.create_task(table.find("iris"))
    await asyncio.sleep(0)
    store.gate.set()
    assert await first is not None
    assert store.gets == 1
    assert await second is not None
    assert store.gets == 2, "it had begun too long before the second came"


async def test_a_request_that_gives_up_does_not_end_the_reading_for_others(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore
) -> None:
    store.gate.clear()
    leaving, staying = (asyncio.create_task(table.find("iris")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    store.gate.set()
    assert await staying is not None
    assert leaving.cancelled()
    assert store.gets == 1


@pytest.mark.parametrize("age", [0.5, 1.2, 1.9])
async def test_a_revoked_key_is_refused_within_two_seconds_of_its_revocation(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock, age: float
) -> None:
    await table.find("iris")
    clock.move(age)
    await endpoints.rotate("iris", KeyType.PRIMARY, "a-key-of-another-day")
    clock.move(2.0)
    route = await table.find("iris")
    assert route is not None
    assert not matches(PRIMARY.encode(), route.key_digests)
    assert matches(b"a-key-of-another-day", route.key_digests)
    assert matches(SECONDARY.encode(), route.key_digests)


async def test_a_clock_set_back_does_not_keep_a_route_alive(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock
) -> None:
    await table.find("iris")
    await endpoints.rotate("iris", KeyType.PRIMARY, "a-key-of-another-day")
    clock.move(-3600)
    route = await table.find("iris")
    assert route is not None
    assert not matches(PRIMARY.encode(), route.key_digests)


async def test_what_this_process_changed_is_seen_at_once(
    table: RouteTable, endpoints: Endpoints
) -> None:
    await table.find("iris")
    await endpoints.rotate("iris", KeyType.SECONDARY, "a-key-of-another-day")
    table.invalidate("Iris")
    route = await table.find("iris")
    assert route is not None
    assert not matches(SECONDARY.encode(), route.key_digests)


async def test_a_reading_begun_before_an_invalidation_does_not_count(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore
) -> None:
    store.gate.clear()
    early = asyncio.create_task(table.find("iris"))
    await asyncio.sleep(0)
    table.invalidate("iris")
    late = asyncio.create_task(table.find("iris"))
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(early, late)
    await settled(store)
    assert store.gets == 2
    assert await table.find("iris") is late.result()


async def test_a_deployment_s_change_is_seen_with_its_endpoint(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock
) -> None:
    await table.find("iris")
    await endpoints.put_deployment("iris", "red", timeout=9)
    clock.move(2)
    route = await table.find("iris")
    assert route is not None
    red = route.deployment("red")
    assert red is not None
    assert red.request_timeout == 9


async def test_a_store_that_cannot_be_read_refuses_rather_than_trusts_an_old_route(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    before = await table.find("iris")
    store.broken = True
    clock.move(1.5)
    assert await table.find("iris") is before
    await settled(store)
    clock.move(0.5)
    with pytest.raises(Unavailable) as refusal:
        await table.find("iris")
    assert refusal.value.retry_after > 0
    store.broken = False
    assert await table.find("iris") is before


async def test_a_store_that_hangs_is_not_waited_for_long(
    endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    table = RouteTable(store, clock, read_limit=0.01, refresh=known)
    store.gate.clear()
    with pytest.raises(Unavailable):
        await table.find("iris")


async def test_an_endpoint_that_is_not_there_is_remembered_for_a_moment(
    table: RouteTable, endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    for _ in range(100):
        assert await table.find("tulips") is None
    assert store.gets == 1
    await endpoints.put("tulips", {})
    clock.move(2)
    assert await table.find("tulips") is not None


async def test_an_endpoint_made_in_this_process_is_seen_at_once(
    table: RouteTable, endpoints: Endpoints
) -> None:
    assert await table.find("tulips") is None
    await endpoints.put("tulips", {})
    table.invalidate("tulips")
    assert await table.find("tulips") is not None


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 5000, "iris\x00", "127", "iris?", "é" * 5])
async def test_what_can_be_no_name_never_reaches_the_store(
    table: RouteTable, store: WatchedStore, name: str
) -> None:
    assert await table.find(name) is None
    assert store.gets == 0


async def test_probing_pushes_no_route_out_and_memory_stays_bounded(
    store: WatchedStore, endpoints: Endpoints, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.scoring.online_routing.ABSENT_CAPACITY", 5)
    table = RouteTable(store, clock, capacity=3, read_limit=PATIENCE, refresh=known)
    await table.find("iris")
    for i in range(20):
        await table.find(f"probe{i}")
    reads = store.gets
    assert await table.find("iris") is not None
    assert store.gets == reads
    reads = store.gets
    for i in range(15, 20):
        assert await table.find(f"probe{i}") is None
    assert store.gets == reads
    await table.find("probe14")
    assert store.gets == reads + 1


async def test_the_route_used_least_lately_is_the_one_that_goes(
    store: WatchedStore, endpoints: Endpoints, clock: HeldClock
) -> None:
    for name in ("one", "two", "three"):
        await endpoints.put(name, {})
    table = RouteTable(store, clock, capacity=2, read_limit=PATIENCE, refresh=known)
    for name in ("one", "two", "one", "three"):
        await table.find(name)
    reads = store.gets
    await table.find("one")
    assert store.gets == reads
    await table.find("two")
    assert store.gets == reads + 1


@pytest.mark.parametrize("way", ["deleting", "deleted"])
async def test_an_endpoint_on_its_way_out_is_not_there(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock, way: str
) -> None:
    assert await table.find("iris") is not None
    if way == "deleting":
        await endpoints.move("iris", ProvisioningState.DELETING)
    else:
        await endpoints.delete("iris")
    clock.move(2)
    assert await table.find("iris") is None


async def test_a_recreated_endpoint_has_none_of_its_predecessor(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock
) -> None:
    await endpoints.put("tulips", {})
    first = await table.find("tulips")
    await endpoints.delete("tulips")
    await endpoints.put("tulips", {})
    clock.move(2)
    second = await table.find("tulips")
    assert second is not first


async def test_a_deployment_being_deleted_is_not_routed_to(
    table: RouteTable, endpoints: Endpoints
) -> None:
    await endpoints.put_deployment("iris", "blue", state=ProvisioningState.DELETING)
    route = await table.find("iris")
    assert route is not None
    assert route.deployment("blue") is None
    assert {d.name for d in (route.next() for _ in range(20)) if d} == {"green"}


async def test_the_split_goes_on_where_it_was_while_the_traffic_stays(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock
) -> None:
    chosen: Counter[str] = Counter()
    for i in range(1000):
        if i % 3 == 0:
            await endpoints.change("iris", description=str(i))
            clock.move(2)
        route = await table.find("iris")
        assert route is not None
        deployment = route.next()
        assert deployment is not None
        chosen[deployment.name] += 1
    assert chosen == {"blue": 900, "green": 100}


async def test_changed_traffic_holds_at_once_after_the_reading(
    table: RouteTable, endpoints: Endpoints, clock: HeldClock
) -> None:
    await table.find("iris")
    await endpoints.change("iris", traffic={"green": 100})
    clock.move(2)
    route = await table.find("iris")
    assert route is not None
    assert {d.name for d in (route.next() for _ in range(200)) if d} == {"green"}


async def test_more_deployments_than_a_page_holds_are_all_found(
    table: RouteTable, endpoints: Endpoints
) -> None:
    for i in range(120):
        await endpoints.put_deployment("iris", f"many{i}")
    route = await table.find("iris")
    assert route is not None
    assert len(route.deployments) == 122


async def test_requests_thinly_spread_over_many_gateways_cost_a_read_each_at_most(
    endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    gateways = [RouteTable(store, clock, read_limit=PATIENCE, refresh=known) for _ in range(40)]
    rng, seconds, requests = random.Random(7), 60, 600
    met_after = set[int]()
    for number in range(requests):
        if number == requests // 2:
            await endpoints.put("iris", {"blue": 10, "green": 90})
            store.gets = store.queries = 0
        gateway = rng.randrange(len(gateways))
        if number >= requests // 2:
            met_after.add(gateway)
        route = await gateways[gateway].find("iris")
        assert route is not None
        clock.move(seconds / requests)
    await settled(store)
    assert store.gets <= requests // 2
    # Whole again only where it has changed since that gateway last looked.
    assert store.queries == len(met_after)


async def test_requests_that_come_thick_cost_one_read_a_second_and_gateway_at_most(
    endpoints: Endpoints, store: WatchedStore, clock: HeldClock
) -> None:
    gateways = [RouteTable(store, clock, read_limit=PATIENCE, refresh=known) for _ in range(5)]
    seconds = 20
    for _ in range(seconds * 50):
        for gateway in gateways:
            await gateway.find("iris")
        await settled(store)
        clock.move(0.02)
    assert store.gets <= len(gateways) * (seconds + 1)
    assert store.queries == len(gateways)
