"""Model and code as layers on an environment, in Debian's docker-registry."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from domain.ports import (
    DockerBuild,
    EnvironmentSpec,
    InstanceSize,
    OwnServer,
    Program,
    ServerRoute,
)
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.image_layout import CODE, MODEL, PYTHON, RUNTIME
from infra.compute.local.premises import RUNTIME as RUNTIME_HERE
from infra.compute.registry.image_manifest import ImageConfig
from infra.compute.registry.programs.making import BaseImage, Making, RegistryPlace
from infra.compute.registry.programs.node_images import NodeImages
from infra.compute.registry.programs.program_images import USER
from infra.compute.registry.programs.registry_images import registry_images
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.registry_shelf import (
    HERE,
    UV,
    VERSION,
    RegistryShelf,
    fake_python,
    shelf_at,
    unpacked,
)
from tests.kit.stages.sealing import sealed
from tests.servers.registry.given import given_registry

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Shop:
    shelf: RegistryShelf
    images: NodeImages
    program: Program


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp("programs")
    with given_registry(folder / "registry") as served:
        async with shelf_at(served.url, folder, USUAL_PACKAGES) as shelf:
            await shelf.put_base("base", fake_python())
            await shelf.blobs.write("assets", "code/src/score.py", b"answer = 42\n")
            await shelf.blobs.write("assets", "model.txt", b"weights")
            program = Program(
                EnvironmentSpec(VERSION, ()),
                await sealed(shelf.blobs, "assets", "model.txt"),
                await sealed(shelf.blobs, "assets", "code/src"),
                "score.py",
                {},
                InstanceSize(1, 2**28),
            )
            base = BaseImage(f"{served.host}/base:{{python}}")
            making = Making(
                shelf.blobs, shelf.store, base, folder / "made", RUNTIME_HERE, UV, USUAL_PACKAGES
            )
            place = RegistryPlace(f"{served.url}/ours", None, 0, patience=0)
            chosen = registry_images(place, making, HERE, None)
            yield Shop(shelf, chosen.images, program)
            await chosen.images.close()


async def test_an_image_has_model_code_environment_and_agent(shop: Shop, tmp_path: Path) -> None:
    image = await shop.images.ensure("g", shop.program)
    assert (image.code_root, image.has_model, image.has_code, image.server) == (
        "src",
        True,
        True,
        "",
    )
    root = tmp_path / "image"
    manifest = await unpacked(shop.shelf.registry, image.name, root)
    assert (root / f".{CODE}/src/score.py").read_text() == "answer = 42\n"
    assert (root / f".{MODEL}/model.txt").read_text() == "weights"
    assert (root / f".{RUNTIME}/__main__.py").exists()
    assert (root / f".{PYTHON}").is_symlink()
    repository = image.name.partition("/")[2].partition("@")[0]
    assert repository == "ours/programs"
    text = await shop.shelf.registry.small_blob(repository, manifest.config)
    assert ImageConfig.read(text).body["config"]["User"] == USER


async def test_what_is_there_is_taken_and_its_story_says_so(shop: Shop) -> None:
    first = await shop.images.ensure("a", shop.program)
    again = await shop.images.ensure("b", shop.program)
    assert again == first
    assert "The image with model and code is there." in await shop.images.story("b", shop.program)


async def test_another_model_is_another_image(shop: Shop) -> None:
    first = await shop.images.ensure("g", shop.program)
    without = await shop.images.ensure("g", replace(shop.program, model=None))
    assert without.name != first.name
    assert not without.has_model


async def test_a_server_of_the_user_s_own_is_its_image_beside_an_agent_s(shop: Shop) -> None:
    route = ServerRoute("/score", 8080)
    server = OwnServer(route, route, route, "/models", "/code", ())
    pinned = f"127.0.0.1:9/mine@sha256:{'0' * 64}"
    spec = EnvironmentSpec("", (), image=pinned)
    image = await shop.images.ensure("g", replace(shop.program, environment=spec, server=server))
    assert image.server == pinned
    assert "/programs@sha256:" in image.name


async def test_a_dockerfile_has_nobody_who_would_build_it(shop: Shop) -> None:
    context = shop.program.code
    assert context is not None
    spec = EnvironmentSpec("", (), build=DockerBuild(context, "Dockerfile"))
    with pytest.raises(StartFailure, match="Without an engine no Dockerfile is built"):
        await shop.images.ensure("g", replace(shop.program, environment=spec))


async def test_a_registry_that_is_away_is_told_on_what_needs_it(shop: Shop, tmp_path: Path) -> None:
    place = RegistryPlace("http://127.0.0.1:9/ours", None, 0, patience=0)
    shelf = shop.shelf
    base = BaseImage("127.0.0.1:9/base:{python}")
    making = Making(shelf.blobs, shelf.store, base, tmp_path, RUNTIME_HERE, UV, USUAL_PACKAGES)
    away = registry_images(place, making, HERE, None).images
    with pytest.raises(StartFailure, match="does not answer"):
        await away.ensure("g", shop.program)
    assert "does not answer" in "\n".join(await away.story("g", shop.program))
    await away.close()
