"""`python -m tests.infra.compute.container_apps.arm_costs`: how often Azure Resource Manager is
asked, counted by a stand-in that makes each app come in its time. docs/costs.md has the tables."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from infra.compute.container_apps.arm.arm_budget import ArmBudget, Kind
from infra.compute.container_apps.known_apps import COMING
from infra.compute.remote.fleet import NodeGroup, NodeState
from tests.kit.apps.scripted_apps import ScriptedApps, StandingClock, scripted_apps, standing_in
from tests.kit.waiting import eventually
from tests.servers.arm.records import Refused
from tests.servers.arm.runs import PartState
from tests.servers.arm.throttle import Throttle

STARTS = 20.0
"""Seconds that a replica takes to come."""
ROUND = 30.0
KINDS = ("put app", "delete app", "list apps", "list replicas", "get environment")


@dataclass(frozen=True)
class Row:
    what: str
    calls: Counter[str]

    @property
    def text(self) -> str:
        others = sum(n for kind, n in self.calls.items() if kind not in KINDS)
        assert not others, self.calls
        return f"| {self.what} | {' | '.join(str(self.calls[kind]) for kind in KINDS)} |"


async def rows() -> Sequence[Row]:
    with standing_in() as stand:
        async with scripted_apps(*stand) as apps:
            await deployed(apps, 100)
            rest = Row("an hour at rest, 100 deployments", await at_rest(apps))
            group = apps.group()
            first = Row("a deployment of one instance", await step(apps, group, 1))
            return [
                rest,
                first,
                Row("a step from one instance to five", await step(apps, group, 5)),
                Row("an instance that is replaced", await _replaced(apps, group)),
                Row("a deployment of five instances that goes", await _gone(apps, group)),
            ]


async def deployed(apps: ScriptedApps, count: int) -> None:
    """So many deployments of one instance, which run."""
    apps.environment.cores = 1e6
    for _ in range(count):
        await apps.fleet.apply(apps.group(), 1)
        apps.pass_by(1.0)  # or the budget has them wait, by the clock on the wall
    while await _coming(apps):
        apps.pass_by(COMING)


async def at_rest(apps: ScriptedApps) -> Counter[str]:
    before = apps.manager.calls.copy()
    for _ in range(round(3600 / ROUND)):
        apps.pass_by(ROUND)
        await apps.fleet.nodes()
        await apps.fleet.groups()
    return apps.manager.calls - before


async def step(apps: ScriptedApps, group: NodeGroup, count: int) -> Counter[str]:
    """Up to so many, each in its time."""
    before, ready = apps.manager.calls.copy(), apps.clock.at + STARTS
    apps.runs.always = [PartState("agent", "Running", ready=False)]
    while True:
        if apps.clock.at >= ready:
            apps.runs.always = None
        await apps.fleet.apply(group, count)
        nodes = [n for n in await apps.fleet.nodes() if n.group == group.name]
        if sum(node.state is NodeState.RUNNING for node in nodes) == count:
            return apps.manager.calls - before
        apps.pass_by(0.5)
        await _settled(apps)


async def _gone(apps: ScriptedApps, group: NodeGroup) -> Counter[str]:
    before = apps.manager.calls.copy()
    while not await apps.fleet.delete(group.name, linger=0.0, grace=0.0):
        apps.pass_by(0.5)
        await _settled(apps)
    return apps.manager.calls - before


async def _replaced(apps: ScriptedApps, group: NodeGroup) -> Counter[str]:
    before = apps.manager.calls.copy()
    node = next(n for n in await apps.fleet.nodes() if n.group == group.name)
    await apps.fleet.replace(node, "It was silent.")
    apps.pass_by(1)
    await step(apps, group, 5)
    told = apps.manager.calls - before
    told.pop("get log token", None)  # beside the log's stream itself
    return told


async def _settled(apps: ScriptedApps) -> None:
    """What was begun with the platform has been done: only replicas take time here."""
    operations = apps.manager.operations
    await eventually(
        lambda: all(each.status != "InProgress" for each in list(operations.values())),
        "all is done that was begun",
    )


async def _coming(apps: ScriptedApps) -> bool:
    await _settled(apps)
    return any(node.state is NodeState.COMING for node in await apps.fleet.nodes())


def burst(count: int) -> tuple[float, int]:
    """Seconds that so many apps take to be asked for, by the budget; and how many of the calls a
    subscription would have refused."""
    clock = StandingClock(0.0)
    budget, throttle, refused = ArmBudget(clock), Throttle(clock), 0
    for _ in range(count):
        clock.at += budget.wait(Kind.WRITE)
        try:
            throttle.take("PUT")
        except Refused:
            refused += 1
    return clock.at, refused


def table(found: Sequence[Row]) -> list[str]:
    return [row.text for row in found]


def main() -> None:
    sys.stdout.write("\n".join(table(asyncio.run(rows()))) + "\n")
    for count in (100, 1000):
        seconds, refused = burst(count)
        sys.stdout.write(f"{count} apps at once: {seconds:.0f} s, {refused} refused\n")


if __name__ == "__main__":
    main()
