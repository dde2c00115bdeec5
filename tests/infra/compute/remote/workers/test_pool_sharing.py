"""How many nodes each pool is to have."""

from datetime import timedelta
from typing import Any

from domain.ports import Cluster
from infra.compute.remote.workers.pool_record import PoolRecord
from infra.compute.remote.workers.pool_sharing import SLICE, Given, Seen, given
from tests.infra.compute.remote.workers.pools import pool

LONG = 1000.0


def small(most: int = 3, least: int = 0) -> Cluster:
    return Cluster("small", most, timedelta(seconds=60), least_nodes=least)


def seen(record: PoolRecord, *idle: float, leaving: int = 0, since: float = 0.0) -> Seen:
    return Seen(record, idle, leaving, since)


def counts(*pools: Seen, cores: int = 2, **more: Any) -> list[Given]:
    told = {"now": LONG, "fits": {}, "pressed": False, **more}
    found = given(pools, cores=cores, **told)
    return [found[each.record.name] for each in pools]


def test_every_pool_gets_a_node_before_any_gets_a_second() -> None:
    one, two = pool("1", cluster=small(), a=3), pool("2", cluster=small(), b=3)
    assert counts(seen(one)) == [Given(3, 3)]
    told = counts(seen(one), seen(two))
    assert sorted(each.count for each in told) == [1, 2]


def test_all_jobs_of_a_cluster_together_have_no_more_than_its_nodes() -> None:
    one, two = pool("1", cluster=small(2), a=2), pool("2", cluster=small(2), b=2)
    busy, waits = counts(seen(one, 0.0, 0.0), seen(two))
    assert (busy, waits) == (Given(1, 2), Given(1, 0))
    gives_way, waits = counts(seen(one, 0.0, 0.5), seen(two))
    assert (gives_way, waits) == (Given(1, 1), Given(1, 0)), "it is still there"
    _, waits = counts(seen(one, 0.0, leaving=1), seen(two))
    assert waits == Given(1, 0)
    assert counts(seen(one, 0.0), seen(two)) == [Given(1, 1), Given(1, 1)]


def test_jobs_of_one_pool_ask_for_their_nodes_together() -> None:
    of_two = Cluster("small", 8, processes_per_node=2)
    assert counts(seen(pool(cluster=of_two, a=2, b=3))) == [Given(3, 3)]
    # Where nobody set a limit, what keeps the cores busy, or as the largest asks.
    assert counts(seen(pool(a=1, b=1, c=1)), cores=2) == [Given(2, 2)]
    assert counts(seen(pool(a=4, b=1)), cores=2) == [Given(4, 4)]


def test_an_idle_node_stays_for_the_idle_time_and_the_least_for_good() -> None:
    idle = pool(cluster=small(), deployment=0)
    assert counts(seen(idle, 61.0, 30.0)) == [Given(0, 2)], "the last one goes first"
    assert counts(seen(idle, 61.0, 61.0)) == [Given(0, 0)]
    kept = pool(cluster=small(least=1), deployment=0)
    assert counts(seen(kept, 61.0, 61.0)) == [Given(0, 1)]


def test_the_least_are_up_before_the_first_job_and_for_one_pool_alone() -> None:
    cluster = small(least=2)
    one, two = pool("1", cluster=cluster, a=0), pool("2", cluster=cluster, b=0)
    assert counts(seen(one), seen(two)).count(Given(0, 2)) == 1
    assert sum(each.count for each in counts(seen(one), seen(two, 0.0))) == 2


def test_they_take_turns_where_there_are_more_pools_than_nodes() -> None:
    one, two = pool("1", cluster=small(1), a=1), pool("2", cluster=small(1), b=1)
    fresh = LONG - SLICE / 2
    told = counts(seen(one, 0.0, since=fresh), seen(two, since=fresh - 1))
    assert [each.share for each in told] == [1, 0]
    told = counts(seen(one, 0.0, since=LONG - SLICE - 1), seen(two, since=fresh))
    assert [each.share for each in told] == [0, 1]


def test_what_there_is_no_room_for_is_not_asked_for_and_what_is_idle_gives_way() -> None:
    one = pool("1", cluster=small(), a=3)
    idle = pool("2", deployment=0)
    told = counts(seen(one, 0.0), seen(idle, 1.0), fits={one.name: 1}, pressed=True)
    assert told == [Given(1, 1), Given(0, 0)]
