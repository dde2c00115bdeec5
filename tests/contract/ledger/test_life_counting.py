"""The time that instances run, counted on every family of stores: it is what a replay of their
lives comes to, whatever becomes of hosts."""

import random
from datetime import UTC, date, datetime

import pytest

from domain.ports import ResourceStore
from domain.ports.records.running_meter import Life, Reading, RunningMeter
from infra.compute.local.instances.life_meter import LifeMeter, Payer
from infra.compute.remote.keeping.node_meter import NodeMeter, NodeUse
from tests.contract.ledger.metered_hosts import (
    OwnHost,
    Platform,
    Ran,
    UnsureStore,
    by_day,
    counted,
    counting,
)
from tests.kit.clocks import HeldClock

PERIOD, TOLERANCE = 5, 10
NEARLY_MIDNIGHT = datetime(2026, 1, 2, 23, 59, 30, tzinfo=UTC).timestamp()
FIRST, SECOND = "2026-01-02", "2026-01-03"


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(NEARLY_MIDNIGHT)


def day_of(time: float) -> date:
    return datetime.fromtimestamp(time, UTC).date()


async def test_what_runs_over_midnight_is_shared_out_between_its_days(
    store: ResourceStore, clock: HeldClock
) -> None:
    host = OwnHost(store, clock)
    host.start("blue")
    clock.move(10)
    await host.counting.count()
    assert await counted(store) == {(FIRST, "blue"): 10}
    clock.move(50)
    await host.counting.count()
    assert await counted(store) == {(FIRST, "blue"): 30, (SECOND, "blue"): 30}


async def test_what_is_counted_again_at_once_counts_once(
    store: ResourceStore, clock: HeldClock
) -> None:
    host = OwnHost(store, clock)
    host.start("blue")
    clock.move(10)
    for _ in range(3):
        await host.counting.count()
    [life] = host.lives
    host.stop(life)
    for _ in range(3):
        await host.counting.count()
    clock.move(10)
    await host.counting.count()
    assert await counted(store) == {(FIRST, "blue"): 10}


async def test_a_worker_is_paid_by_the_jobs_that_it_works_for_and_idle_after_the_last(
    store: ResourceStore, clock: HeldClock
) -> None:
    meter = LifeMeter(clock.unix)
    host = counting(store, meter, clock)
    life = meter.begin(Payer(lambda: "batch/one"))
    clock.move(2)
    for job, seconds in (("one", 3), ("two", 4)):
        life.works_for(f"batch/{job}")
        clock.move(seconds)
        life.rests()
        await host.count()
    clock.move(5)
    await host.count()
    assert await counted(store) == {(FIRST, "one"): 5, (FIRST, "two"): 9}


async def test_many_deployments_fill_several_pages(store: ResourceStore, clock: HeldClock) -> None:
    host = OwnHost(store, clock)
    names = [f"d{number}" for number in range(230)]
    for name in names:
        host.start(name)
    for _ in range(2):
        clock.move(1)
        await host.counting.count()
    assert await counted(store) == {(FIRST, name): 2 for name in names}


async def test_nodes_that_nobody_looked_at_for_months_are_counted_for_all_of_it(
    store: ResourceStore, clock: HeldClock
) -> None:
    began = clock.time
    meter = NodeMeter(clock.unix)
    host = counting(store, meter, clock)
    for months in (0, 80 * 86400):
        clock.move(months)
        meter.look([NodeUse("n1", "online/iris/blue", 1.0)])
        for _ in range(4):
            await host.count()
    assert sum((await counted(store)).values()) == pytest.approx(clock.time - began)


class Backwards(RunningMeter):
    """Whose clock was set back."""

    is_shared = False
    has_any = True

    def __init__(self, clock: HeldClock) -> None:
        self._clock = clock
        self._since = clock.time

    def tell(self, changed: object, ended: object) -> None: ...

    def read(self) -> Reading:
        life = Life("a", "online/iris/blue", 1.0, self._since)
        return Reading(self._clock.time, [life])

    def kept(self, reading: Reading) -> None: ...


async def test_a_clock_that_is_set_back_takes_nothing_away(
    store: ResourceStore, clock: HeldClock
) -> None:
    host = counting(store, Backwards(clock), clock)
    for seconds in (10, -8, 5, 6):
        clock.move(seconds)
        await host.count()
    assert await counted(store) == {(FIRST, "blue"): 13}


@pytest.mark.parametrize("seed", range(3))
async def test_hosts_that_are_killed_lose_what_came_after_their_last_count_and_nothing_else(
    store: ResourceStore, clock: HeldClock, seed: int
) -> None:
    rng = random.Random(seed)
    unsure = UnsureStore(store, rng, 0.2)
    hosts, ran, killed = [OwnHost(unsure, clock) for _ in range(3)], list[Ran](), 0
    for _ in range(20):
        clock.move(rng.choice((1, 2, PERIOD)))
        at = rng.randrange(len(hosts))
        host, chance = hosts[at], rng.random()
        if chance < 0.5:
            ran.append(host.start(rng.choice(("blue", "green"))))
        elif chance < 0.7 and host.lives:
            host.stop(rng.choice([*host.lives]))
        elif chance < 0.8:
            killed += len(host.lives)
            host.killed()
            hosts[at] = OwnHost(unsure, clock)
        # A timer of each host counts within every period; a count that fails is told again.
        for each in hosts:
            await each.counting.count()
    unsure.chance = 0.0
    for each in hosts:
        # What a lost answer leaves open is read again by the first count.
        for _ in range(2):
            await each.counting.count()
    found, replay = await counted(store), by_day(ran, clock.time, day_of)
    lost = {key: seconds - found.get(key, 0.0) for key, seconds in replay.items()}
    assert set(found) <= set(replay)
    assert all(-1e-3 <= seconds <= killed * TOLERANCE for seconds in lost.values()), lost
    if not killed:
        assert all(abs(seconds) < 1e-3 for seconds in lost.values())


async def test_an_instance_whose_host_is_killed_is_counted_to_within_ten_seconds(
    store: ResourceStore, clock: HeldClock
) -> None:
    host = OwnHost(store, clock)
    ran = [host.start("blue"), host.start("green")]
    for _ in range(7):
        clock.move(PERIOD)
        await host.counting.count()
    clock.move(PERIOD - 0.001)
    host.killed()
    after = OwnHost(store, clock)
    ran.append(after.start("blue"))
    clock.move(3)
    await after.counting.count()
    found, replay = await counted(store), by_day(ran, clock.time, day_of)
    assert {
        key: found[key] >= seconds - TOLERANCE for key, seconds in replay.items()
    } == dict.fromkeys(replay, True)
    assert sum(replay.values()) - sum(found.values()) == pytest.approx(2 * (PERIOD - 0.001))


@pytest.mark.parametrize("seed", range(3))
async def test_nodes_that_several_hosts_have_are_counted_once_whichever_decides(
    store: ResourceStore, clock: HeldClock, seed: int
) -> None:
    rng = random.Random(seed)
    unsure = UnsureStore(store, rng, 0.2)
    platform, ran = Platform(clock), list[Ran]()
    meter = NodeMeter(clock.unix)
    keeper = counting(unsure, meter, clock)
    for _ in range(30):
        clock.move(rng.choice((1, 2, PERIOD)))
        chance = rng.random()
        if chance < 0.4:
            ran.append(platform.start(rng.choice(("blue", "green"))))
        elif chance < 0.6 and platform.nodes:
            platform.stop(rng.choice([*platform.nodes]))
        elif chance < 0.75:
            # Another host decides; the one before may think for a moment that it still does.
            before, meter = keeper, NodeMeter(clock.unix)
            keeper = counting(unsure, meter, clock)
            platform.shown_to(meter)
            await keeper.count()
            await before.count()
        platform.shown_to(meter)
        await keeper.count()
    unsure.chance = 0.0
    for _ in range(2):
        await keeper.count()
    found, replay = await counted(store), by_day(ran, clock.time, day_of)
    # A node is seen to have gone at the next look; one that began is, too.
    for key, seconds in replay.items():
        nodes = sum(each.deployment == key[1] for each in ran)
        assert abs(found.get(key, 0.0) - seconds) <= nodes * TOLERANCE, key


async def test_a_host_that_does_not_decide_counts_nothing(
    store: ResourceStore, clock: HeldClock
) -> None:
    meter = NodeMeter(clock.unix)
    host = counting(store, meter, clock)
    meter.look([NodeUse("n1", "online/iris/blue", 1.0)])
    clock.move(5)
    meter.stand_by()
    await host.count()
    assert await counted(store) == {}
    assert not meter.has_any
