"""`python -m tests.infra.compute.container_apps.arm_costs`: how often Azure Resource Manager is
asked, counted by a stand-in that makes each app come in its time. docs/costs.md has the tables."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from infra.compute.container_apps.app_names import GROUP, NUMBER
from infra.compute.container_apps.arm.arm_budget import ArmBudget, Kind
from infra.compute.container_apps.known_apps import COMING, SETTLED
from infra.compute.remote.fleet import NodeGroup, NodeState
from tests.kit.apps.scripted_apps import ScriptedApps, StandingClock, scripted_apps, standing_in
from tests.kit.waiting import eventually
from tests.servers.arm.records import AppRecord, Refused
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


@dataclass
class Counted(Throttle):
    """`refused`: calls of a host that kept to no budget."""

    refused: int = 0

    def take(self, method: str) -> None:
        try:
            super().take(method)
        except Refused:
            self.refused += 1
            raise


async def very_many(count: int) -> tuple[Row, Row, int]:
    """So many instances that a host finds as they come, and an hour of them at rest, in a
    subscription with its usual limits; and how many calls that refused."""
    with standing_in() as stand:
        async with scripted_apps(*stand) as apps:
            await deployed(apps, 1)
            limits = apps.manager.throttle = Counted(apps.clock)
            [first] = apps.apps
            for number in range(1, count):
                id = f"{first.id.rpartition('/')[0]}/ml-{number:024x}"
                tags = {**first.body["tags"], GROUP: f"g-{number}", NUMBER: "0"}
                app = AppRecord(id, {**first.body, "tags": tags}, first.environment, "Succeeded")
                apps.manager.apps[id.casefold()] = app
                apps.runs.begin(app)
            before, begun = apps.manager.calls.copy(), apps.clock.at
            apps.pass_by(SETTLED)
            while len(await apps.fleet.nodes()) < count or await _coming(apps):
                apps.pass_by(COMING)
            seconds = apps.clock.at - begun
            seen = Row(
                f"{count:,} instances that come at once, seen within {seconds:.0f} s",
                apps.manager.calls - before,
            )
            rest = Row(f"an hour at rest, {count:,} instances", await at_rest(apps))
            return seen, rest, limits.refused


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
    seen, rest, refused = asyncio.run(very_many(1000))
    sys.stdout.write("\n".join(table([*asyncio.run(rows()), seen, rest])) + "\n")
    sys.stdout.write(f"of 1,000 instances {refused} calls were refused\n")
    for count in (100, 1000):
        seconds, refused = burst(count)
        sys.stdout.write(f"{count} apps at once: {seconds:.0f} s, {refused} refused\n")


if __name__ == "__main__":
    main()
