"""What a fleet keeps of a server of the user's own: it runs in its image, beside the agent."""

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from domain.ports import (
    EnvironmentSpec,
    InstanceLost,
    InstanceSize,
    OwnServer,
    Program,
    ServerRoute,
)
from infra.compute.docker.labels import GROUP, INSTALLATION
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.fleet import Node, NodeGroup
from tests.contract.fleets.platform import Platform
from tests.contract.fleets.platforms import PLATFORMS
from tests.contract.fleets.test_fleet import until_ready, yard
from tests.kit.stages.fleet_yard import SECRET, Yard
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually
from tests.servers.engine.given import given_engine
from tests.servers.engine.own_image import PORT, own_image

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = {
    "scoring": {"path": "/predict", "port": PORT},
    "liveness": {"path": "/health", "port": PORT},
    "readiness": {"path": "/health", "port": PORT},
}
MODELS = "/models"


__all__ = ["yard"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with PLATFORMS["docker"](tmp_path_factory.mktemp("docker")) as platform:
        yield platform


async def own(yard: Yard, mode: str = "", **more: Any) -> NodeGroup:
    """A group with a model and code, whose server is as the `mode` says."""
    image = own_image(given_engine())
    await yard.blobs.write("assets", "half/half/1/weights", b"a half")
    await yard.blobs.write("assets", "scripts/plumber.R", b"# as it is")
    model = await sealed(yard.blobs, "assets", "half/half")
    code = await sealed(yard.blobs, "assets", "scripts")
    at = {name: ServerRoute(str(r["path"]), PORT) for name, r in ROUTES.items()}
    server = OwnServer(
        at["scoring"], at["liveness"], at["readiness"], model_folder=MODELS, code_folder="/code"
    )
    group = await yard.group(server=ROUTES, **more)
    name = f"{group.name}-{uuid.uuid4().hex[:8]}"  # of all that is tried on this engine
    program = Program(
        EnvironmentSpec("", (), image=image),
        model,
        code,
        "plumber.R",
        {"MODE": mode},
        InstanceSize(1, 128 * 2**20),
        server,
    )
    return replace(group, name=name, program=program)


async def asked(node: Node, method: str, target: str, body: bytes = b"") -> tuple[int, Any]:
    http = UnixHttp()
    try:
        assert node.address is not None
        answer = await http.request(
            node.address,
            method,
            target,
            [("ml-endpoints-node-secret", SECRET)],
            body,
            timeout=PATIENCE,
        )
        content = answer.body
        whole = content if isinstance(content, bytes) else b"".join([p async for p in content])
        return answer.status, json.loads(whole) if whole else None
    finally:
        http.close()


async def test_a_server_of_one_s_own_is_reached_behind_the_agent_and_has_model_and_code(
    yard: Yard,
) -> None:
    group = await own(yard)
    await yard.applied(group, 2)
    nodes = await yard.running(group, 2)
    for node in nodes:
        await until_ready(node)
    status, told = await asked(nodes[1], "PUT", "/score?n=1", b"body")
    assert status == 200
    assert (told["method"], told["path"], told["body"]) == ("PUT", "/predict?n=1", "body")
    assert told["secret"] == []
    variables = told["variables"]
    assert (variables["AZUREML_MODEL_DIR"], variables["AML_APP_ROOT"]) == (MODELS, "/code/scripts")
    assert variables["AZUREML_ENTRY_SCRIPT"] == "plumber.R"
    assert not [name for name in variables if name.startswith("ML_ENDPOINTS")]
    assert told["files"] == {f"{MODELS}/half/1/weights": "a half"}
    assert (told["model"], told["own"]) == ("Read-only file system", "written")
    await yard.printed(group, "the server begins as usual")
    await nothing_left(yard, group)


async def nothing_left(yard: Yard, group: NodeGroup) -> None:
    engine = given_engine()
    await yard.gone(group)

    def left() -> list[str]:
        found = engine.get("volumes", filters={"label": [INSTALLATION]})["Volumes"] or []
        volumes = [each["Name"] for each in found if group.name in each["Name"]]
        return volumes + [each["Id"] for each in engine.containers(f"{GROUP}={group.name}")]

    # What a busy engine does not remove at once it is asked for again.
    await eventually(lambda: not left(), "nothing is left")


async def test_a_server_that_dies_is_replaced_with_its_agent(yard: Yard) -> None:
    group = await own(yard)
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    with suppress(InstanceLost):  # its agent may go with it before it says so
        await asked(node, "POST", "/path/die")
    ended = await yard.ended(group)
    assert "Its container ended with exit status 9" in str(ended.reason)
    assert "the server is asked to die" in str(ended.reason)
    other = await yard.up(group, after=node)
    await until_ready(other)
    assert len(given_engine().containers(f"{GROUP}={group.name}", "ml-endpoints.role=agent")) == 2
    await nothing_left(yard, group)


async def test_a_server_that_answers_no_more_is_replaced_and_says_what_was_wrong(
    yard: Yard,
) -> None:
    soon = {"initial_delay": 0, "period": 0.05, "failure_threshold": 1, "timeout": 60}
    group = await own(yard, liveness=soon)
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    await asked(node, "POST", "/path/sicken")
    ended = await yard.ended(group)
    assert f"port {PORT}: GET /health: status 503" in str(ended.reason)
    assert "The end of its log:" in str(ended.reason)
    await nothing_left(yard, group)


@pytest.mark.parametrize(
    ("mode", "because"),
    [("exit", "exit status 7"), ("greedy", "its container has 128 MiB of memory")],
)
async def test_a_server_that_ends_at_once_says_why(yard: Yard, mode: str, because: str) -> None:
    group = await own(yard, mode)
    await yard.applied(group, 1)
    ended = await yard.ended(group)
    assert because in str(ended.reason)
    assert f"the server begins as {mode}" in str(ended.reason)
    await nothing_left(yard, group)


async def test_an_image_that_is_not_there_is_named(yard: Yard) -> None:
    group = await own(yard)
    missing = EnvironmentSpec("", (), image="localhost:1/no/such-image:7")
    group = replace(group, program=replace(group.program, environment=missing))
    progress = await yard.applied(group, 1)
    assert progress.failure is not None
    assert progress.failure.code == "ImageBuildFailure"
    assert "localhost:1/no/such-image:7" in progress.failure.reason
    await nothing_left(yard, group)


async def test_a_command_that_is_not_in_the_image_is_named(yard: Yard) -> None:
    group = await own(yard)
    server = group.program.server
    assert server is not None
    server = replace(server, command=("no-such-command",))
    group = replace(group, program=replace(group.program, server=server))
    await yard.applied(group, 1)
    ended = await yard.ended(group)
    assert "no-such-command" in str(ended.reason)
    await nothing_left(yard, group)


async def test_a_server_whose_agent_was_taken_away_is_not_kept(yard: Yard) -> None:
    group = await own(yard)
    await yard.applied(group, 1)
    [node] = await yard.running(group, 1)
    await until_ready(node)
    engine = given_engine()
    [agent] = engine.containers(f"{GROUP}={group.name}", "ml-endpoints.role=agent")
    engine.do("DELETE", f"containers/{agent['Id']}", force=True)
    other = await yard.up(group, after=node)
    await until_ready(other)
    await nothing_left(yard, group)
    await eventually(partial(yard.fleet.delete, group.name, linger=0.0, grace=0.0), "gone")
