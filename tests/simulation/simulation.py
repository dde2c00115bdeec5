"""A seed played: from it follow the scenario, the faults, and the order of everything."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.simulation.compute import SimulatedCompute
from tests.simulation.determinism import held
from tests.simulation.faults import Faults
from tests.simulation.ground import ground
from tests.simulation.hosts import Host, Setting, settings
from tests.simulation.invariants import Broken
from tests.simulation.scenarios.batch_job import BatchJob
from tests.simulation.scenarios.dropped_files import DroppedFiles
from tests.simulation.scenarios.event_delivery import EventDelivery
from tests.simulation.scenarios.online_endpoint import OnlineEndpoint
from tests.simulation.scenarios.scenario import Make, Scenario
from tests.simulation.scenarios.schedule import FiringSchedule
from tests.simulation.schedule import Schedule
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.world import World

SCENARIOS: Mapping[str, Make] = {
    "batch job": BatchJob,
    "dropped files": DroppedFiles,
    "schedule": FiringSchedule,
    "events": EventDelivery,
    "online endpoint": OnlineEndpoint,
}
_MOST_CALM = 400.0
"""Seconds after which no fault comes any more."""


@dataclass(frozen=True)
class Played:
    """`broken` is what did not hold, if something did not."""

    seed: int
    scenario: str
    broken: str | None
    schedule: Schedule
    turns: int
    seconds: float

    def __str__(self) -> str:
        found = f"BROKEN: {self.broken}" if self.broken else "all held"
        return (
            f"seed {self.seed} ({self.scenario}, {self.seconds:.0f} s in {self.turns} turns): "
            f"{found}"
        )


def play(seed: int, only: str | None = None) -> Played:
    """`only`: the scenario that it is to be of, whatever the seed chooses."""
    rng = random.Random(seed)
    name = rng.choice(list(SCENARIOS))
    name = only or name
    scenario = SCENARIOS[name](rng)
    loop = VirtualLoop()
    faults = Faults.by(rng)
    world = _world(loop, rng, faults, scenario)
    broken: str | None = None
    with held(random.Random(seed + 1), loop):
        loop.call_later(_MOST_CALM, _calm, faults)
        try:
            loop.run(_played(world, scenario))
        except Broken as found:
            broken = str(found)
        except Exception as error:  # whatever a seed raises is what it has found
            broken = f"nobody expected {type(error).__name__}: {error}"
        for host in world.hosts:
            host.life.end()
        loop.drain()
    return Played(seed, name, broken, world.schedule, loop.turns, loop.time())


def _calm(faults: Faults) -> None:
    faults.calm = True


def _world(loop: VirtualLoop, rng: random.Random, faults: Faults, scenario: Scenario) -> World:
    setting = Setting(settings(**scenario.settings), scenario.times, prompt=rng.random() < 0.5)
    world = World(loop, rng, faults, setting)
    base = ground()
    world.store = base.store.copy(world.clock.unix)
    world.blobs = base.blobs.copy(world.clock.now)
    shared = SimulatedCompute(world, None, scenario.manner) if rng.random() < 0.4 else None
    for number in range(rng.choice((1, 2, 2, 3))):
        host = f"host{number + 1}"
        compute = shared or SimulatedCompute(world, host, scenario.manner)
        world.hosts.append(Host(world, host, compute))
    return world


async def _played(world: World, scenario: Scenario) -> None:
    world.begin()
    await scenario.play(world)
    world.check()
