"""What is done in a simulation, and what must have come of it."""

import random
from typing import Any, Protocol

from domain.jobs.records.job_times import JobTimes
from tests.simulation.compute import Manner
from tests.simulation.world import World


class Scenario(Protocol):
    """Chosen by its seed when it is made. `manner` is how its models behave; `settings` are those
    that are not as usual, by their names."""

    manner: Manner
    times: JobTimes
    settings: dict[str, Any]

    async def play(self, world: World) -> None:
        """Do it, wait until all is over, and look at what came of it. Raises Broken."""


class Make(Protocol):
    def __call__(self, rng: random.Random) -> Scenario: ...
