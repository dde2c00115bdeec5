"""A server of the user's own in Container Apps: beside the agent, in the same app."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from domain.ports import EnvironmentSpec, InstanceSize, OwnServer, Program, ServerRoute
from infra.compute.container_apps.app_logs import NoAppLogs
from infra.compute.container_apps.chosen_apps import arm_calls, chosen_apps
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.settings.container_apps import ContainerAppsSettings
from tests.contract.fleets.test_fleet import until_ready
from tests.contract.fleets.test_own_servers import MODELS, ROUTES, asked
from tests.kit.apps.apps_stage import PULLER, AppsStage, apps_stage
from tests.kit.stages.fleet_yard import Yard
from tests.kit.stages.sealing import sealed
from tests.servers.engine.own_image import PORT, own_image

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Beside:
    stage: AppsStage
    yard: Yard
    image: str


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppsStage]:
    with (
        apps_stage(tmp_path_factory.mktemp("stage")) as stage,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in stage.stand_in.told.items():
            patch.setenv(name, value)
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beside(
    stage: AppsStage, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Beside]:
    folder = tmp_path_factory.mktemp("beside")
    name = f"{stage.registry.registry.host}/own/server:1"
    stage.engine.push(own_image(stage.engine), name)
    settings = ContainerAppsSettings(
        environment=stage.environment().id, pull_identity=PULLER, arm_url=stage.stand_in.url
    )
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)

    async def named() -> str:
        return "own"

    chosen = stage.registry.images(blobs, folder / "images")
    fleet = chosen_apps(
        arm_calls(settings),
        settings,
        chosen.images,
        named,
        NoAppLogs(),
        credentials=None,
        identities=False,
        blobs=None,
    )
    yard = Yard(blobs, fleet, fleet, fleet, itertools.count())
    yield Beside(stage, yard, await chosen.facts.pinned(name))
    await fleet.close()
    await blobs.close()


async def test_it_is_reached_behind_the_agent_and_has_model_and_code(beside: Beside) -> None:
    yard = beside.yard
    await yard.blobs.write("assets", "half/half/1/weights", b"a half")
    await yard.blobs.write("assets", "scripts/plumber.R", b"# as it is")
    at = {name: ServerRoute(str(r["path"]), PORT) for name, r in ROUTES.items()}
    program = Program(
        EnvironmentSpec("", (), image=beside.image),
        await sealed(yard.blobs, "assets", "half/half"),
        await sealed(yard.blobs, "assets", "scripts"),
        "plumber.R",
        {"MODE": ""},
        InstanceSize(1, 2**30),
        OwnServer(at["scoring"], at["liveness"], at["readiness"], MODELS, "/code"),
    )
    group = replace(await yard.group(server=ROUTES), program=program)
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    status, told = await asked(node, "PUT", "/score?n=1", b"body")
    assert (status, told["method"], told["path"]) == (200, "PUT", "/predict?n=1")
    variables = told["variables"]
    assert (variables["AZUREML_MODEL_DIR"], variables["AML_APP_ROOT"]) == (MODELS, "/code/scripts")
    assert not [name for name in variables if name.startswith("ML_ENDPOINTS")]
    assert told["files"] == {f"{MODELS}/half/1/weights": "a half"}
    await yard.fleet.replace(node, "It is looked into.")
    await yard.printed(group, "the server begins as usual")
    await yard.gone(group)
    assert beside.stage.stand_in.manager.apps == {}
