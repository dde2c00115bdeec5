import itertools

from infra.compute.ground.room import Portion
from infra.compute.ground.shares import Claim, shares

SLICE = 10.0
ONE = Portion(1)


def claim(
    key: str,
    asked: int,
    *,
    held: int = 0,
    jobs: int = 1,
    since: float = 0.0,
    cluster: str = "local",
    first: Portion | None = None,
    each: Portion = ONE,
) -> Claim:
    return Claim(key, cluster, asked, jobs, held, since, first or each, each)


def shared(
    *claims: Claim, limit: int, memory: float = 0.0, now: float = 0.0, **limits: int
) -> dict[str, int]:
    clusters = {"local": limit, **limits}
    room = Portion(limit, memory)
    return shares(claims, room, clusters, now=now, slice_seconds=SLICE)


def test_nobody_gets_more_than_it_asked_for() -> None:
    assert shared(claim("a", 2), claim("b", 3), limit=64) == {"a": 2, "b": 3}


def test_what_there_is_is_shared_equally_and_what_one_leaves_goes_to_the_others() -> None:
    given = shared(claim("a", 50), claim("b", 2), claim("c", 50), limit=12)
    assert given == {"a": 5, "b": 2, "c": 5}


def test_a_claim_of_several_jobs_weighs_as_many() -> None:
    assert shared(claim("a", 50, jobs=3), claim("b", 50), limit=8) == {"a": 6, "b": 2}


def test_of_equals_the_odd_one_stays_with_who_has_it() -> None:
    assert shared(claim("a", 9, held=2), claim("b", 9, held=3), limit=5) == {"a": 2, "b": 3}


def test_everyone_gets_one_before_anyone_gets_two() -> None:
    given = shared(claim("a", 9, held=4, jobs=9), claim("b", 9), claim("c", 9), limit=4)
    assert given == {"a": 2, "b": 1, "c": 1}


def test_where_there_are_too_few_who_has_had_its_slice_gives_way_to_who_waited_longest() -> None:
    claims = (
        claim("a", 2, held=1, since=100.0),
        claim("b", 2, since=102.0),
        claim("c", 2, since=101.0),
    )
    assert shared(*claims, limit=1, now=105.0) == {"a": 1, "b": 0, "c": 0}
    assert shared(*claims, limit=1, now=110.0) == {"a": 0, "b": 0, "c": 1}


def test_turns_go_round() -> None:
    since = dict.fromkeys("abc", 0.0)
    held = dict.fromkeys("abc", 0)
    turns = []
    for now in range(0, 60, 10):
        claims = [claim(key, 1, held=held[key], since=since[key]) for key in "abc"]
        given = shared(*claims, limit=1, now=float(now))
        for key in "abc":
            if given[key] != held[key]:
                since[key], held[key] = float(now), given[key]
        turns.append(next(key for key in "abc" if given[key]))
    assert sorted(turns) == sorted("aabbcc")
    assert all(one != other for one, other in itertools.pairwise(turns))


def test_a_cluster_has_a_limit_of_its_own() -> None:
    claims = (claim("a", 9, cluster="small"), claim("b", 9, cluster="small"), claim("c", 9))
    assert shared(*claims, limit=10, small=3) == {"a": 2, "b": 1, "c": 7}


def test_memory_is_shared_as_processes_are_and_a_first_one_needs_only_what_it_begins_with() -> None:
    large = claim("large", 9, first=Portion(1, 1.0), each=Portion(1, 4.0))
    small = claim("small", 9, each=Portion(1, 1.0))
    assert shared(large, small, limit=64, memory=8.0) == {"large": 2, "small": 3}
    assert shared(large, limit=64, memory=8.0) == {"large": 2}
    assert shared(large, limit=64, memory=0.5) == {"large": 0}


def test_no_room_at_all_is_nothing_for_anyone() -> None:
    assert shared(claim("a", 2), limit=0) == {"a": 0}
    assert shared(limit=4) == {}
