"""How an endpoint's requests are split over its deployments."""

import random
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from domain.errors import Detail

Percentages = dict[Annotated[str, Field(max_length=64)], int]
"""Whole percentages by deployment."""


def traffic_faults(
    traffic: Mapping[str, int], mirror_traffic: Mapping[str, int], deployments: Sequence[str]
) -> list[Detail]:
    """Every fault of a split, each with the field that has it. Azure ML's rules: whole
    percentages that sum to 0 or 100, over deployments that exist; at most one mirror of
    1 to 50 %, which holds no live traffic."""
    known = {name.casefold() for name in deployments}
    faults: list[Detail] = []

    def refuse(message: str, target: str) -> None:
        faults.append(Detail("TrafficNotAllocatable", message, target))

    for field, split in (("traffic", traffic), ("mirrorTraffic", mirror_traffic)):
        spelled: dict[str, str] = {}
        for name, percent in split.items():
            target = f"properties.{field}.{name}"
            if (first := spelled.setdefault(name.casefold(), name)) != name:
                refuse(f"'{name}' and '{first}' are one deployment, given twice.", target)
            if name.casefold() not in known:
                there = ", ".join(sorted(deployments)) or "none"
                refuse(
                    f"Deployment '{name}' does not exist on this endpoint (there: {there}). "
                    "Create the deployment first, then give it traffic.",
                    target,
                )
            if not 0 <= percent <= 100:
                refuse(f"'{name}' has {percent}; a percentage is 0 to 100.", target)
    total = sum(traffic.values())
    if total not in (0, 100):
        refuse(
            f"Traffic sums to {total}; it must sum to 100, or to 0 for none.", "properties.traffic"
        )

    mirrors = {name: percent for name, percent in mirror_traffic.items() if percent}
    if len(mirrors) > 1:
        refuse("Traffic can be mirrored to one deployment only.", "properties.mirrorTraffic")
    live = {name.casefold() for name, percent in traffic.items() if percent}
    for name, percent in mirrors.items():
        target = f"properties.mirrorTraffic.{name}"
        if percent > 50:
            refuse(f"'{name}' would mirror {percent} %; at most 50 % can be mirrored.", target)
        if name.casefold() in live:
            refuse(f"'{name}' holds live traffic and cannot be a mirror at once.", target)
    return faults


class TrafficSplit:
    """Chooses deployments in proportion to their percentages, exactly: every run of
    sum(percentages) choices holds each deployment as often as its percentage says, evenly
    spread. Not thread-safe; one event loop owns it."""

    def __init__(self, traffic: Mapping[str, int], *, start: int | None = None) -> None:
        weights = {name: percent for name, percent in traffic.items() if percent > 0}
        self._turns = _spread(weights)
        self._next = 0
        if self._turns:
            offset = random.randrange(len(self._turns)) if start is None else start
            self._next = offset % len(self._turns)

    def choose(self) -> str | None:
        """The deployment whose turn it is; None when no deployment has traffic."""
        turns = self._turns
        if not turns:
            return None
        index = self._next
        self._next = index + 1 if index + 1 < len(turns) else 0
        return turns[index]


def _spread(weights: Mapping[str, int]) -> list[str]:
    """Smooth weighted round robin over one full period."""
    total = sum(weights.values())
    current = dict.fromkeys(weights, 0)
    turns: list[str] = []
    for _ in range(total):
        for name, weight in weights.items():
            current[name] += weight
        chosen = max(current, key=lambda name: current[name])
        current[chosen] -= total
        turns.append(chosen)
    return turns
