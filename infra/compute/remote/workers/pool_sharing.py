"""How many nodes each pool is to have.

Nodes of a cluster are shared by the pools of its jobs: each gets one before any gets a second,
then as many as its jobs weigh, and they take turns where there are more pools than nodes. What a
pool has beyond its share stays warm for the cluster's idle time, unless another one lacks it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.ports import Cluster
from infra.compute.ground.room import Portion
from infra.compute.ground.shares import Claim, shares
from infra.compute.remote.workers.pool_record import PoolRecord

SLICE: Final = 30.0
"""Seconds for which a pool keeps its nodes while another waits for its first: what it takes to
have another node up is little of it."""
_ANY: Final = 10**6
_ONE: Final = Portion(processes=1)


@dataclass(frozen=True)
class Seen:
    """A pool and what there is of it: `idle` says of each node that is up or coming, by its
    number, for how many seconds nobody has needed it; `leaving` are those that are on their way
    out. `since`: when its first one was ready, or it began to wait for one."""

    record: PoolRecord
    idle: tuple[float, ...]
    leaving: int
    since: float

    @property
    def held(self) -> int:
        return len(self.idle)


@dataclass(frozen=True)
class Given:
    """`share` nodes are to be sent units, `count` are to be there."""

    share: int
    count: int


def asked_nodes(record: PoolRecord, cores: int) -> int:
    """What its jobs ask together; where no limit was set, not more than keep `cores` busy, unless
    one of them alone asks for more."""
    wanted = [member.wanted for member in record.jobs]
    units = sum(wanted)
    if record.cluster.most_processes is None:
        units = min(units, max([cores, *wanted]))
    return math.ceil(units / record.cluster.processes_per_node)


def given(
    pools: Sequence[Seen], *, cores: int, now: float, fits: Mapping[str, int], pressed: bool
) -> dict[str, Given]:
    """By name. There is room for no more nodes of a pool than `fits` says, if it says so; when
    `pressed`, for no more of any: what is idle gives way at once."""
    clusters = _clusters(pools)
    claims = [
        Claim(
            key=each.record.name,
            cluster=each.record.cluster.name,
            asked=min(asked_nodes(each.record, cores), fits.get(each.record.name, _ANY)),
            jobs=len(each.record.jobs),
            held=each.held,
            since=each.since,
            first=_ONE,
            each=_ONE,
        )
        for each in pools
        if each.record.jobs and each.record.is_prepared and not each.record.has_failed
    ]
    limits = {name: cluster.most_nodes or _ANY for name, cluster in clusters.items()}
    share = shares(claims, Portion(processes=_ANY), limits, now=now, slice_seconds=SLICE)
    counts: dict[str, Given] = {}
    for name, cluster in clusters.items():
        of_it = [each for each in pools if each.record.cluster.name == name]
        counts |= _of_cluster(cluster, of_it, share, pressed)
    return counts


def _clusters(pools: Sequence[Seen]) -> dict[str, Cluster]:
    """Each as whoever came last knew it."""
    latest = sorted(pools, key=lambda each: each.record.told)
    return {each.record.cluster.name: each.record.cluster for each in latest}


def _of_cluster(
    cluster: Cluster, pools: Sequence[Seen], share: Mapping[str, int], pressed: bool
) -> dict[str, Given]:
    most = cluster.most_nodes or _ANY
    held = sum(each.held for each in pools)
    lack = sum(max(0, share.get(each.record.name, 0) - each.held) for each in pools)
    wanted = {each.record.name: each.held for each in pools}
    spare = held - cluster.least_nodes
    crowded = max(0, held + lack - most)
    for each in sorted(pools, key=lambda each: each.record.used):
        name, keeps = each.record.name, share.get(each.record.name, 0)
        idle_time = cluster.idle_time.total_seconds() if not each.record.output else 0.0
        while wanted[name] > keeps:
            idle = each.idle[wanted[name] - 1]
            gives_way = crowded > 0 or pressed
            if not (idle > 0 if gives_way else spare > 0 and idle >= idle_time):
                break
            wanted[name] -= 1
            crowded -= 1
            spare -= 1
    free = most - held - sum(each.leaving for each in pools)
    for each in sorted(pools, key=lambda each: each.held):
        name = each.record.name
        more = min(max(0, share.get(name, 0) - each.held), max(0, free))
        wanted[name] += more
        free -= more
    _keep_least(cluster, pools, wanted, max(0, free))
    return {name: Given(share.get(name, 0), count) for name, count in wanted.items()}


def _keep_least(cluster: Cluster, pools: Sequence[Seen], wanted: dict[str, int], free: int) -> None:
    """Those that are to be up whoever needs them run what was used last."""
    there = sum(max(wanted[each.record.name], each.held) for each in pools)
    lack = min(cluster.least_nodes - there, free)
    able = [
        each.record
        for each in pools
        if each.record.members and each.record.is_prepared and not each.record.has_failed
    ]
    if lack > 0 and able:
        wanted[max(able, key=lambda record: record.used).name] += lack
