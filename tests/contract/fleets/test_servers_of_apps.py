"""What an app runs that its user has made: a server beside the agent, what a registry has built."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from domain.ports import (
    DockerBuild,
    EnvironmentSpec,
    InstanceSize,
    OwnServer,
    Program,
    ProgramIdentity,
    ServerRoute,
)
from infra.compute.container_apps.app_logs import NoAppLogs
from infra.compute.container_apps.chosen_apps import arm_calls, chosen_apps, chosen_runs
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.settings.container_apps import ContainerAppsSettings
from tests.contract.fleets.test_fleet import until_ready
from tests.contract.fleets.test_own_servers import MODELS, ROUTES, asked
from tests.kit.apps.apps_stage import PULLER, AppsStage, apps_stage
from tests.kit.stages.fleet_yard import Yard
from tests.kit.stages.registry_shelf import VERSION
from tests.kit.stages.sealing import sealed
from tests.servers.arm.identity_door import client_id_of
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
        environment=stage.environment().id,
        pull_identity=PULLER,
        registry=stage.registry_id,
        arm_url=stage.stand_in.url,
    )
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)

    async def named() -> str:
        return "own"

    calls = arm_calls(settings)
    chosen = stage.registry.images(blobs, folder / "images", chosen_runs(calls, settings))
    fleet = chosen_apps(
        calls,
        settings,
        chosen.images,
        named,
        NoAppLogs(),
        credentials=None,
        identities=True,
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


READS = """
import os


def init(): pass


def run(data): return [os.environ["MARK"], open("/data").read()]
"""


async def test_a_dockerfile_is_built_by_the_registry_and_what_it_makes_runs_a_model(
    beside: Beside,
) -> None:
    yard, base = beside.yard, beside.stage.registry.base.format(python=VERSION)
    dockerfile = f"FROM {base}\nENV MARK=built\nCOPY data.txt /data\n"
    await yard.blobs.write("assets", "context/docker/mine", dockerfile.encode())
    await yard.blobs.write("assets", "context/data.txt", b"7")
    build = DockerBuild(await sealed(yard.blobs, "assets", "context"), "docker/mine")
    group = await yard.group(READS, environment=EnvironmentSpec("", (), build=build))
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    assert await asked(node, "POST", "/score", b"1") == (200, ["built", "7"])
    story = await yard.fleet.story(group.name, group.program, tail=200)
    assert "COPY data.txt /data" in story
    await yard.gone(group)


async def test_a_dockerfile_that_fails_says_why_and_leaves_nothing(beside: Beside) -> None:
    yard, base = beside.yard, beside.stage.registry.base.format(python=VERSION)
    dockerfile = f"FROM {base}\nUSER root\nRUN echo it is broken && exit 3\n"
    await yard.blobs.write("assets", "failing/Dockerfile", dockerfile.encode())
    build = DockerBuild(await sealed(yard.blobs, "assets", "failing"), "Dockerfile")
    group = await yard.group(environment=EnvironmentSpec("", (), build=build))
    progress = await yard.applied(group, 1)
    assert progress.failure is not None
    assert progress.failure.code == "ImageBuildFailure"
    assert "returned a non-zero code: 3" in progress.failure.reason
    assert "it is broken" in progress.failure.reason
    assert beside.stage.stand_in.manager.apps == {}
    await yard.gone(group)


TOKENS = """
import json
import os
import urllib.error
import urllib.request


def init(): pass


def run(data): return [token(each) for each in json.loads(data)]


def token(client_id):
    asked = "?api-version=2019-08-01&resource=https://storage.azure.com"
    asked += f"&client_id={client_id}" if client_id else ""
    headers = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}
    request = urllib.request.Request(os.environ["IDENTITY_ENDPOINT"] + asked, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["access_token"]
    except urllib.error.HTTPError as error:
        return error.code
"""


async def test_a_script_is_whom_its_endpoint_is_given_and_itself_and_never_who_pulls(
    beside: Beside,
) -> None:
    yard, manager = beside.yard, beside.stage.stand_in.manager
    given = f"{PULLER}-of-the-user"
    manager.identities.add(given.casefold())
    group = await yard.group(TOKENS)
    identity = ProgramIdentity("onlineEndpoints/iris", own=True, given=(given,))
    group = replace(group, program=replace(group.program, identity=identity))
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    [app] = manager.apps.values()
    wanted = json.dumps(["", client_id_of(given), client_id_of(PULLER)]).encode()
    status, told = await asked(node, "POST", "/score", wanted)
    resource = "for https://storage.azure.com"
    assert (status, told) == (
        200,
        [f"the own one of {app.name} {resource}", f"{given} {resource}", 400],
    )
    await yard.gone(group)
