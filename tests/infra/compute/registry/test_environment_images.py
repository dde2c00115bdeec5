"""Environments as images in Debian's docker-registry, made without an engine."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ports import Credentials, EnvironmentSpec
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.image_layout import ENVIRONMENT, PYTHON, RUNTIME
from infra.compute.registry.image_manifest import ImageConfig
from infra.compute.registry.layer_file import Text
from infra.compute.registry.upkeep.image_rebasing import ImageRebasing
from tests.kit.packages.index import PASSWORD, USER, PackageIndex, serving
from tests.kit.stages.registry_shelf import (
    REPOSITORY,
    VERSION,
    RegistryShelf,
    fake_python,
    packages_of,
    shelf_at,
    unpacked,
)
from tests.kit.waiting import eventually, patience
from tests.servers.registry.docker_registry import DockerRegistry
from tests.servers.registry.given import given_registry

SPEC = EnvironmentSpec(VERSION, ("tiny", "grown"))
BARE = EnvironmentSpec(VERSION, ())
SITE = f"{ENVIRONMENT}/lib/python{VERSION}/site-packages".lstrip("/")
BACKEND = """
import os, zipfile
def build_wheel(folder, *_):
    name = "grown-2.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("grown.py", "answer = 43\\n")
        info = "grown-2.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: grown\\nVersion: 2.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                       "Tag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\ngrown = grown:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with given_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with serving() as index:
        index.add_wheel("tiny", "1.0", "answer = 42\n")
        index.add_source("grown", "2.0", BACKEND)
        yield index


@asynccontextmanager
async def opened(url: str, index: PackageIndex, folder: Path) -> AsyncIterator[RegistryShelf]:
    packages = packages_of(index.url, opened={index.url: Credentials(USER, PASSWORD)})
    async with patience(), shelf_at(url, folder, packages) as shelf:
        yield shelf


@pytest.fixture
async def shelf(
    served: DockerRegistry, index: PackageIndex, tmp_path: Path
) -> AsyncIterator[RegistryShelf]:
    async with opened(served.url, index, tmp_path / "host") as shelf:
        yield shelf


async def test_an_environment_is_its_base_with_its_packages(
    shelf: RegistryShelf, tmp_path: Path
) -> None:
    base = await shelf.put_base("base", fake_python(), docker=True)
    image = await shelf.ensure(SPEC)
    assert image.startswith(f"{shelf.registry.host}/{REPOSITORY}@sha256:")
    root = tmp_path / "root"
    manifest = await unpacked(shelf.registry, image, root)
    assert (root / SITE / "tiny.py").read_text() == "answer = 42\n"
    assert (root / SITE / "grown.py").is_file()
    assert list((root / SITE / "__pycache__").glob("tiny.*.pyc"))
    assert os.readlink(root / PYTHON.lstrip("/")) == f"/usr/bin/python{VERSION}"
    script = (root / f"{ENVIRONMENT}/bin/grown".lstrip("/")).read_text()
    assert script.startswith(f"#!{PYTHON}\n")
    assert (root / RUNTIME.lstrip("/") / "__main__.py").is_file()
    config = ImageConfig.read(await shelf.registry.small_blob(REPOSITORY, manifest.config))
    assert config.variables["PATH"] == f"{ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin"
    assert config.variables["OF_BASE"] == "1"
    assert not {"Entrypoint", "User"} & set(config.body["config"])
    assert len(config.diff_ids) == len(manifest.layers) == 3
    assert config.labels["org.opencontainers.image.base.digest"] == base
    built = await shelf.images.built(SPEC)
    assert built is not None
    assert (built.image, built.base) == (image, f"{shelf.registry.host}/base:{VERSION}")
    assert "tiny==1.0" in built.lock
    assert "grown==2.0" in built.lock
    assert "sha256:" in built.lock
    assert "tiny==1.0" in built.log
    assert image in built.log
    assert PASSWORD not in built.log
    assert not list((shelf.folder / "scratch-one").iterdir())


async def test_it_is_made_once_and_found_by_every_host(
    shelf: RegistryShelf,
) -> None:
    await shelf.put_base("base", fake_python())
    async with shelf.beside("two") as other:
        images = await asyncio.gather(*(each.ensure(SPEC) for each in (shelf, other) * 3))
    assert len(set(images)) == 1
    told = [*shelf.story, *other.story]
    assert told.count("The environment's image is there.") == 5
    assert "tiny==1.0" in told, "whoever finds it is told how it came about"
    assert await shelf.ensure(replace(SPEC, requirements=SPEC.requirements[::-1])) == images[0]


async def test_what_was_resolved_once_is_what_is_installed_again(
    shelf: RegistryShelf, index: PackageIndex
) -> None:
    await shelf.put_base("base", fake_python())
    image = await shelf.ensure(SPEC)
    index.add_wheel("tiny", "1.1", "answer = 44\n")
    await shelf.put_base("base", fake_python(mark="patched"))
    assert await shelf.registry.delete_manifest(REPOSITORY, image.partition("@")[2])
    again = await shelf.ensure(SPEC)
    assert again != image
    assert "The environment's layer is there." in shelf.story
    built = await shelf.images.built(SPEC)
    assert built is not None
    assert "tiny==1.0" in built.lock


async def test_a_build_that_fails_says_why_and_leaves_nothing(
    shelf: RegistryShelf, served: DockerRegistry
) -> None:
    await shelf.put_base("base", fake_python())
    before = served.names()
    for _ in range(2):
        with pytest.raises(StartFailure, match="absent-package") as raised:
            await shelf.ensure(replace(SPEC, requirements=("absent-package",)))
        assert raised.value.code == "ImageBuildFailure"
    assert any("absent-package" in line for line in shelf.story)
    assert served.names() == before
    assert not list((shelf.folder / "scratch-one").iterdir())


async def test_a_build_that_is_interrupted_leaves_nothing_and_is_made_by_the_next(
    shelf: RegistryShelf, served: DockerRegistry, index: PackageIndex
) -> None:
    await shelf.put_base("base", fake_python())
    index.add_source("endless", "1.0", f"import time\nwhile True: time.sleep(0.05)\n{BACKEND}")
    endless = replace(SPEC, requirements=("endless",))
    building = asyncio.create_task(shelf.ensure(endless))
    await eventually(lambda: any(line.startswith("Resolving") for line in shelf.story))
    async with shelf.beside("two") as other:

        async def seen() -> bool:
            return "Resolving" in await other.images.log(endless)

        await eventually(seen, "how far it is, as another host sees it")
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not list((shelf.folder / "scratch-one").iterdir())
    found = await shelf.records.find(shelf.images.key_of(endless))
    assert found is not None
    assert (found[0].holder, found[0].image) == ("", None)


async def test_a_prebuilt_image_is_used_as_it_is(shelf: RegistryShelf, tmp_path: Path) -> None:
    digest = await shelf.put_base("theirs", fake_python())
    spec = EnvironmentSpec("", (), image=f"{shelf.registry.host}/theirs@{digest}")
    image = await shelf.ensure(spec)
    root = tmp_path / "root"
    manifest = await unpacked(shelf.registry, image, root)
    wrapper = (root / PYTHON.lstrip("/")).read_text()
    assert wrapper == '#!/bin/sh\nexec /usr/bin/python3 "$@"\n'
    config = ImageConfig.read(await shelf.registry.small_blob(REPOSITORY, manifest.config))
    assert config.variables["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    built = await shelf.images.built(spec)
    assert built is not None
    assert (built.image, built.lock) == (image, "")


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("HOST/absent:1", "There is no image .*absent:1"),
        ("HOST/without:1", "it has no python3"),
        ("HOST/older:1", "python3 is 3.8, and the environment asks for"),
        ("Not a name", "is not the name of an image"),
    ],
)
async def test_an_image_that_nothing_can_be_built_on_is_named(
    shelf: RegistryShelf, image: str, told: str
) -> None:
    await shelf.put_base("without", [Text("etc/issue", b"")], "1")
    await shelf.put_base("older", fake_python("3.8"), "1")
    with pytest.raises(StartFailure, match=told):
        await shelf.ensure(replace(SPEC, image=image.replace("HOST", shelf.registry.host)))


async def test_a_registry_that_is_down_is_waited_for(index: PackageIndex, tmp_path: Path) -> None:
    with given_registry(tmp_path / "registry") as served:
        async with opened(served.url, index, tmp_path / "host") as shelf:
            await shelf.put_base("base", fake_python())
            served.stop()
            with pytest.raises(Unavailable, match="does not answer"):
                await shelf.ensure(BARE)
            served.start()
            assert await shelf.ensure(BARE)


async def test_a_patched_base_takes_the_others_place_below_the_same_packages(
    shelf: RegistryShelf, tmp_path: Path
) -> None:
    await shelf.put_base("base", fake_python())
    image = await shelf.ensure(SPEC)
    rebasing = ImageRebasing(shelf.images, shelf.records)
    assert await rebasing.look() == []
    base = await shelf.put_base("base", fake_python(mark="patched"))
    async with shelf.beside("two") as other:
        beside = ImageRebasing(other.images, other.records)
        found = await asyncio.gather(rebasing.look(), beside.look())
    [patched] = {each for looked in found for each in looked}
    assert patched != image
    assert await shelf.ensure(SPEC) == patched
    root = tmp_path / "root"
    manifest = await unpacked(shelf.registry, patched, root)
    assert (root / "etc/mark").read_text() == "patched"
    assert (root / SITE / "tiny.py").is_file()
    config = ImageConfig.read(await shelf.registry.small_blob(REPOSITORY, manifest.config))
    assert config.labels["org.opencontainers.image.base.digest"] == base
    assert await shelf.registry.digest(REPOSITORY, image.partition("@")[2]), "it stays for a while"


async def test_a_base_that_cannot_be_kept_here_is_looked_at_again(
    shelf: RegistryShelf, caplog: pytest.LogCaptureFixture
) -> None:
    """As with a full disk: the looks go on."""
    await shelf.put_base("base", fake_python())
    await shelf.ensure(BARE)
    await shelf.put_base("base", fake_python(mark="patched"))
    rebasing = ImageRebasing(shelf.images, shelf.records)
    scratch = shelf.folder / "scratch-one"
    scratch.rmdir()
    scratch.touch()
    assert await rebasing.look() == []
    assert "cannot be put on its base" in caplog.text
    scratch.unlink()
    assert len(await rebasing.look()) == 1


async def test_a_base_with_another_python_is_not_taken(shelf: RegistryShelf) -> None:
    await shelf.put_base("base", fake_python())
    image = await shelf.ensure(BARE)
    await shelf.put_base("base", fake_python("3.8"), VERSION)
    assert await ImageRebasing(shelf.images, shelf.records).look() == []
    assert await shelf.ensure(BARE) == image
