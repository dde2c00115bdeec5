"""What every simulation finds there: assets, and endpoints with deployments. It is made once for
a process, by the application itself, and copied."""

import functools
import random
from dataclasses import dataclass

from domain.application import Application
from domain.assets.asset import (
    CODES,
    ENVIRONMENTS,
    CodeVersionProperties,
    EnvironmentVersionProperties,
)
from domain.assets.code_configuration import CodeConfiguration
from domain.batch.batch_deployment import BatchDeploymentProperties, OutputAction
from domain.batch.batch_endpoint import BatchEndpointDefaults, BatchEndpointProperties
from domain.ground.access import trusted
from domain.ground.resource import Conditions, Wanted
from domain.jobs.records.job_times import JobTimes
from tests.kit.script_workers import Rows
from tests.simulation.compute import Manner, SimulatedCompute
from tests.simulation.determinism import held
from tests.simulation.faults import Faults
from tests.simulation.hosts import Host, Setting, settings
from tests.simulation.stores.memory_blob_store import MemoryBlobStore
from tests.simulation.stores.memory_resource_store import MemoryResourceStore
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.world import World

ENDPOINT = "irises"
STORE = "workspaceblobstore"
ROWS, SUMMARY = "rows", "summary"
_ANY = Conditions()
_LONG = 600.0


@dataclass(frozen=True)
class Ground:
    store: MemoryResourceStore
    blobs: MemoryBlobStore


@functools.cache
def ground() -> Ground:
    loop, rng = VirtualLoop(), random.Random(0)
    faults = Faults(rng, left=0, rates={}, late=0.0, doubled=0.0, timers=0.0)
    world = World(loop, rng, faults, Setting(settings(), JobTimes()))
    compute = SimulatedCompute(world, None, Manner(_no_script))
    world.hosts.append(Host(world, "builder", compute))
    with held(random.Random(1), loop):
        loop.run(_built(world))
        world.hosts[0].life.end()
    return Ground(world.store, world.blobs)


def _no_script(*_: object) -> Rows:
    raise AssertionError("nothing runs while the ground is laid")


async def _built(world: World) -> None:
    world.begin()
    await world.blobs.write(STORE, "code/score.py", b"def run(mini_batch): ...\n")
    await world.ask("assets", _assets)
    await world.ask("an endpoint", functools.partial(_endpoint, default=None))
    await world.until("the endpoint", lambda: world.is_idle, _LONG)
    for name, action in ((ROWS, OutputAction.APPEND_ROW), (SUMMARY, OutputAction.SUMMARY_ONLY)):
        await world.ask(name, functools.partial(_deployment, name=name, action=action))
    await world.until("the deployments", lambda: world.is_idle, _LONG)
    await world.ask("a default", functools.partial(_endpoint, default=ROWS))
    await world.until("the default", lambda: world.is_idle, _LONG)


async def _assets(app: Application) -> None:
    code = CodeVersionProperties(code_uri=f"azureml://datastores/{STORE}/paths/code")
    environment = EnvironmentVersionProperties(conda_file="dependencies: [python]")
    put = app.assets.registration.put_version
    await put(CODES, "code", "1", code, "me", _ANY)
    await put(ENVIRONMENTS, "env", "1", environment, "me", _ANY)


async def _endpoint(app: Application, default: str | None) -> None:
    defaults = BatchEndpointDefaults(deployment_name=default)
    wanted = Wanted[BatchEndpointProperties](properties=BatchEndpointProperties(defaults=defaults))
    await app.batch.provisioning.put_endpoint(ENDPOINT, wanted, trusted("me"), _ANY)


async def _deployment(app: Application, name: str, action: OutputAction) -> None:
    scoring = CodeConfiguration(code_id="azureml:code:1", scoring_script="score.py")
    properties = BatchDeploymentProperties(
        code_configuration=scoring, environment_id="azureml:env:1", output_action=action
    )
    wanted = Wanted[BatchDeploymentProperties](properties=properties)
    await app.batch.provisioning.put_deployment(ENDPOINT, name, wanted, trusted("me"), _ANY)
