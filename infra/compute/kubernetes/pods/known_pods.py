"""What a host knows of pods beyond what the cluster shows of them now."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from infra.compute.kubernetes.api.kubernetes_api import Object
from infra.compute.kubernetes.pods.pod_reading import (
    MAX_DEATHS,
    STABLE,
    UNSCHEDULABLE,
    Seen,
    seen_of,
)
from infra.compute.remote.fleet import Node, NodeState

OUT_OF_QUOTA: Final = "OutOfQuota"
"""By which batch jobs make do with fewer nodes, or wait for one."""
_SHOWN: Final = 30.0
"""Seconds for which a node that was replaced is shown as ended, if nobody asks for another."""


@dataclass(frozen=True)
class Patience:
    """In seconds: how long a pod may have no place, or no image, until it counts as hopeless. A
    cluster may have to get another machine first; a registry may be down."""

    unscheduled: float
    unpulled: float


@dataclass(frozen=True)
class _Deaths:
    life: int
    in_a_row: int


class KnownPods:
    """Of all groups. Deployments have no numbers for their pods: they get them here, the lowest
    that is free, the oldest first."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._numbers: dict[str, dict[str, int]] = {}
        self._stuck: dict[str, float] = {}
        self._deaths: dict[str, _Deaths] = {}
        self._hopeless: dict[str, Node] = {}
        self._replaced: dict[str, tuple[float, Node]] = {}

    def nodes(
        self, pods: Sequence[Object], wanted: Mapping[str, int], addresses: Mapping[str, str]
    ) -> list[Node]:
        """`wanted` are the replicas of groups, and `addresses` those of pods, by their names."""
        seen = [seen_of(each) for each in pods]
        self._forget_all_but({each.name for each in seen})
        by_group: dict[str, list[Seen]] = {}
        for each in seen:
            by_group.setdefault(each.group, []).append(each)
        found = []
        for group, mine in by_group.items():
            numbers = self._number(group, mine, wanted.get(group, 0))
            found += [self._node(each, numbers[each.name], addresses) for each in mine]
        for gone in set(self._numbers) - set(by_group):
            del self._numbers[gone]
        shown = {node.id for node in found}
        return found + [node for _, node in self._replaced.values() if node.id not in shown]

    def replaced(self, node: Node, reason: str) -> None:
        """It has been taken away."""
        ended = replace(node, state=NodeState.ENDED, code="ResourceNotReady", reason=reason)
        self._replaced[_pod_of(node.id)] = time.monotonic(), ended

    @property
    def gone(self) -> set[str]:
        """Pods that were taken away a moment ago."""
        return set(self._replaced)

    def asked(self, group: str) -> None:
        """For another in the place of what was replaced."""
        for pod in [pod for pod, (_, node) in self._replaced.items() if node.group == group]:
            del self._replaced[pod]

    # -- inside

    def _number(self, group: str, seen: Sequence[Seen], wanted: int) -> Mapping[str, int]:
        known = self._numbers.setdefault(group, {})
        for name in set(known) - {each.name for each in seen}:
            del known[name]
        live = [each for each in seen if each.state is not NodeState.LEAVING and not each.over]
        kept = {each.name for each in live if known.get(each.name, wanted) < wanted}
        taken = {known[name] for name in kept}
        free = (number for number in range(len(live) + wanted) if number not in taken)
        for each in sorted(live, key=lambda each: each.made):
            if each.name not in kept:
                known[each.name] = next(free)
        return {each.name: known.get(each.name, 0) for each in seen}

    def _node(self, seen: Seen, number: int, addresses: Mapping[str, str]) -> Node:
        if seen.name in self._replaced:
            return self._replaced[seen.name][1]
        if seen.name in self._hopeless and seen.state is not NodeState.LEAVING:
            return self._hopeless[seen.name]
        in_a_row = self._died(seen)
        reason, code = seen.reason, seen.code
        if in_a_row > MAX_DEATHS:
            reason = f"{reason}\nIt ended {in_a_row} times in a row."
            code = "KubernetesCrashLoopBackOff" if code == "ResourceNotReady" else code
        if code == UNSCHEDULABLE and seen.works:
            code = OUT_OF_QUOTA
        node = Node(
            id=seen.id,
            group=seen.group,
            number=number,
            state=seen.state,
            address=addresses.get(seen.name),
            attempt=seen.attempt,
            code=code,
            reason=reason,
            hopeless=seen.final or in_a_row > MAX_DEATHS or self._is_stuck(seen),
        )
        if node.hopeless:
            self._hopeless[seen.name] = node
        if node.state is NodeState.RUNNING and node.address is None:
            return replace(node, state=NodeState.COMING)
        return node

    def _died(self, seen: Seen) -> int:
        """How often in a row."""
        if seen.state is not NodeState.ENDED:
            return 0
        before = self._deaths.get(seen.name)
        if before is None or before.life != seen.life:
            more = seen.life + 1 if before is None else before.in_a_row + seen.life - before.life
            in_a_row = 1 if seen.lived >= STABLE else more
            before = self._deaths[seen.name] = _Deaths(seen.life, in_a_row)
        return before.in_a_row

    def _is_stuck(self, seen: Seen) -> bool:
        if not seen.stuck:
            self._stuck.pop(seen.name, None)
            return False
        since = self._stuck.setdefault(seen.name, time.monotonic())
        unscheduled = seen.code == UNSCHEDULABLE
        limit = self._patience.unscheduled if unscheduled else self._patience.unpulled
        return time.monotonic() - since >= limit

    def _forget_all_but(self, there: set[str]) -> None:
        for known in (self._stuck, self._deaths, self._hopeless):
            for name in [name for name in known if name not in there]:
                del known[name]
        now = time.monotonic()
        self._replaced = {
            pod: (since, node)
            for pod, (since, node) in self._replaced.items()
            if now - since < _SHOWN
        }


def _pod_of(node: str) -> str:
    return node.partition(".")[0]
