"""What nodes may have of the engine's machine together: by the rules that local processes go by."""

from dataclasses import replace
from typing import Final

from infra.compute.docker.containers import Machine
from infra.compute.ground.instance_types import LOCAL, InstanceType
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.ground.room import Portion, Room
from infra.compute.remote.fleet import NodeGroup

_ANY: Final = 10**6
"""Containers: nothing but what they count for holds their number."""


class EngineRoom:
    """By `limits`. Knows of a group from when it first comes: what is there then has been let
    in."""

    def __init__(self, limits: LocalLimits) -> None:
        self._limits = replace(limits, processes=_ANY)
        self._taken: dict[str, Portion] = {}

    def lacking(self, group: NodeGroup, count: int, there: int, machine: Machine) -> str | None:
        """Why the group, which has so many nodes, cannot have `count`; None if it can."""
        memory = min(self._limits.memory, machine.memory)
        here = InstanceType(LOCAL, machine.cpus, machine.memory)
        room = Room(replace(self._limits, memory=memory), here)
        size, taken = group.program.size, Portion()
        for name, portion in self._taken.items():
            if name != group.name:
                taken += portion
        asked = room.of(size, count)
        told = room.refusal(size, asked, taken) if count > there else None
        self._taken[group.name] = asked if told is None else room.of(size, there)
        return told

    def forget(self, group: str) -> None:
        """Nothing of it is left."""
        self._taken.pop(group, None)
