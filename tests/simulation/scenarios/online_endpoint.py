"""An online endpoint whose deployments are put, given traffic and deleted, without much waiting."""

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

from domain.application import Application
from domain.errors import Conflict, Invalid, NotFound
from domain.ground.access import trusted
from domain.ground.resource import Conditions, Wanted
from domain.jobs.records.job_times import JobTimes
from domain.online.online_deployment import OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpointProperties
from tests.kit.script_workers import line_counts
from tests.simulation.compute import Manner
from tests.simulation.invariants import Broken
from tests.simulation.world import World

_LONG = 7200.0
_NAME = "iris"
_ANY = Conditions()
Call = Callable[[Application], Awaitable[object]]


class OnlineEndpoint:
    settings: dict[str, Any] = {}
    times = JobTimes()

    def __init__(self, rng: random.Random) -> None:
        self.manner = Manner(line_counts)
        self._acts = [self._act(rng) for _ in range(rng.randrange(2, 8))]
        self._pauses = [rng.choice((0.0, 0.1, 2.0, 15.0)) for _ in self._acts]

    def _act(self, rng: random.Random) -> tuple[str, Call]:
        name = rng.choice(("blue", "green"))
        match rng.randrange(8):
            case 0 | 1 | 2:
                variables = {"VERSION": str(rng.randrange(3))}
                return f"put {name} {variables}", lambda app: _put_deployment(app, name, variables)
            case 3 | 4:
                blue = rng.choice((0, 10, 50, 100))
                traffic = {"blue": blue, "green": 100 - blue}
                traffic = {each: percent for each, percent in traffic.items() if percent}
                return f"traffic {traffic}", lambda app: _put_endpoint(app, traffic)
            case 5:
                return "no traffic", lambda app: _put_endpoint(app, {})
            case 6:
                return f"delete {name}", lambda app: app.online.provisioning.delete_deployment(
                    _NAME, name, "me", _ANY
                )
            case _:
                return "delete the endpoint", lambda app: app.online.provisioning.delete_endpoint(
                    _NAME, "me", _ANY
                )

    async def play(self, world: World) -> None:
        await self._do(world, "an endpoint", lambda app: _put_endpoint(app, {}))
        await world.rest(2.0)
        for (what, call), pause in zip(self._acts, self._pauses, strict=True):
            await self._do(world, what, call)
            await world.rest(pause)
        await world.until("all is over", lambda: world.is_idle, _LONG)
        await world.until("what runs is what is deployed", lambda: _runs(world) == [], _LONG)
        self._look(world)

    async def _do(self, world: World, what: str, call: Call) -> None:
        try:
            await world.ask(what, call)
        except (Conflict, Invalid, NotFound):
            return  # As users are refused while something else goes on.

    def _look(self, world: World) -> None:
        for row in world.store.rows():
            body = json.loads(row.body)
            if row.kind == "operation" and body["operation"]["status"] == "InProgress":
                raise Broken(f"an operation goes on for ever: {body['operation']}")


async def _put_endpoint(app: Application, traffic: dict[str, int]) -> object:
    wanted = Wanted[OnlineEndpointProperties](properties=OnlineEndpointProperties(traffic=traffic))
    return await app.online.provisioning.put_endpoint(_NAME, wanted, trusted("me"), _ANY)


async def _put_deployment(app: Application, name: str, variables: dict[str, str]) -> object:
    properties = OnlineDeploymentProperties.model_validate(
        {
            "code_configuration": {"code_id": "azureml:code:1", "scoring_script": "score.py"},
            "environment_id": "azureml:env:1",
            "environment_variables": variables,
        }
    )
    wanted = Wanted[OnlineDeploymentProperties](properties=properties)
    return await app.online.provisioning.put_deployment(_NAME, name, wanted, trusted("me"), _ANY)


def _runs(world: World) -> list[str]:
    """What runs and is not deployed, or is deployed and does not run, by host."""
    rows = world.store.rows(f"onlineEndpoints/{_NAME}")
    deployed = {
        f"online/{_NAME}/{json.loads(row.body)['resource']['name']}"
        for row in rows
        if row.kind == "onlineDeployment"
    }
    found: list[str] = []
    for host in world.hosts:
        running = {key for key in host.compute.wanted if key.startswith("online/")}
        found += [f"{host.name} {key}" for key in running ^ deployed]
    return found
