"""What nodes of a Docker Engine start from: environments that are images, built, or pulled from a
registry by their digest."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import Invalid
from domain.ports import (
    Credentials,
    DockerBuild,
    EnvironmentSpec,
    InstanceSize,
    Program,
    ResourceStore,
    SealedFolder,
)
from infra.compute.docker.chosen_images import ChosenImages, chosen_images
from infra.compute.docker.engine import Engine, printed
from infra.compute.docker.images import Image
from infra.compute.docker.labels import Labels
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.image_layout import CODE, ENVIRONMENT, PYTHON
from infra.compute.local.premises import RUNTIME
from infra.compute.package_sources import PackageSources
from infra.compute.registry.programs.making import BaseImage, Making, RegistryPlace
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.packages import index
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.engine_images import UV
from tests.kit.stages.fleet_yard import GOOD
from tests.kit.stages.registry_shelf import VERSION, packages_of, packed, put_image
from tests.kit.stages.sealing import sealed
from tests.servers.engine.base_image import write_base
from tests.servers.engine.dockerd import BASE, EngineApi
from tests.servers.engine.given import given_engine
from tests.servers.registry.docker_registry import USER, DockerRegistry, with_password
from tests.servers.registry.given import given_registry

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = BASE.format(python=VERSION)
BARE = EnvironmentSpec(VERSION, ())
TOLD = "import sys, os; print(sys.prefix, os.environ.get('MARK'), os.listdir('/opt/ml-endpoints'))"


@dataclass
class Workshop:
    """Images of one installation. What they print is the story of the group `it`."""

    api: EngineApi
    blobs: FileBlobStore
    store: ResourceStore
    labels: Labels
    folder: Path
    chosen: ChosenImages
    code: SealedFolder

    async def ensure(self, spec: EnvironmentSpec) -> Image:
        return await self.chosen.images.ensure("it", self.program(spec), self.labels)

    async def story(self, spec: EnvironmentSpec = BARE) -> str:
        """As the host tells it that has built last, or any other."""
        return "\n".join(await self.chosen.images.story("it", self.program(spec)))

    def program(self, spec: EnvironmentSpec) -> Program:
        return Program(spec, None, self.code, "score.py", {}, InstanceSize(1, 2**28))

    async def context(self, name: str, **files: str) -> SealedFolder:
        for path, content in files.items():
            await self.blobs.write("assets", f"{name}/{path}", content.encode())
        return await sealed(self.blobs, "assets", name)

    def run(self, image: Image, program: str) -> str:
        """What Python says in a container of the image."""
        body = {
            "Image": image.name,
            "Entrypoint": [PYTHON, "-c", program],
            "User": "10001:10001",
            "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": True},
        }
        status, content = self.api.ask("POST", "containers/create", body)
        assert status == 201, content
        id = json.loads(content)["Id"]
        try:
            self.api.do("POST", f"containers/{id}/start")
            self.api.do("POST", f"containers/{id}/wait")
            _, told = self.api.ask("GET", f"containers/{id}/logs", stdout=True, stderr=True)
            return printed(told)
        finally:
            self.api.do("DELETE", f"containers/{id}", force=True)

    def theirs(self) -> list[str]:
        """Every name of an image that the installation has."""
        found = self.api.get("images/json", filters={"reference": [f"{self.labels.repository}/*"]})
        return sorted(name for each in found for name in each["RepoTags"] or [])


async def opened(
    folder: Path, base: str, place: RegistryPlace | None, packages: PackageSources
) -> AsyncIterator[Workshop]:
    api = given_engine()
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)
    store = SqliteResourceStore(folder / "documents.db")
    engine, labels = Engine(api.url), Labels(f"{folder.stat().st_ino:x}i")
    making = Making(blobs, store, BaseImage(base), folder / "images", RUNTIME, UV, packages)
    chosen = chosen_images(engine, place, making)
    await blobs.write("assets", "code/score.py", GOOD.encode())
    code = await sealed(blobs, "assets", "code")
    shop = Workshop(api, blobs, store, labels, folder, chosen, code)
    try:
        yield shop
    finally:
        for name in shop.theirs():
            api.ask("DELETE", f"images/{name}", force=True)
        await chosen.images.close()
        await engine.close()
        await blobs.close()
        await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workshop]:
    async for each in opened(tmp_path_factory.mktemp("shop"), BASE, None, USUAL_PACKAGES):
        yield each


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    given_engine()
    folder = tmp_path_factory.mktemp("registry")
    with given_registry(folder, with_password(folder)) as registry:
        yield registry


@pytest.fixture(scope="module")
def packages() -> Iterator[index.PackageIndex]:
    with index.serving() as served:
        served.add_wheel("tiny", "1.0", "answer = 42\n")
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pulled(
    served: DockerRegistry,
    packages: index.PackageIndex,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Workshop]:
    """Its base is in the registry, and its packages need a password."""
    folder = tmp_path_factory.mktemp("pulled")
    with (folder / "base.tar").open("wb") as file:
        write_base(file)
    registry = Registry(RegistryCalls(served.url, USER))
    await put_image(registry, "base", VERSION, *packed(folder / "base.tar"))
    await registry.close()
    place = RegistryPlace(f"{served.url}/team", USER, 0, patience=0)
    sources = packages_of(
        packages.url, opened={packages.url: Credentials(index.USER, index.PASSWORD)}
    )
    async for each in opened(folder, f"{served.host}/base:{{python}}", place, sources):
        yield each


async def test_what_a_dockerfile_builds_runs_a_model(shop: Workshop) -> None:
    dockerfile = f"FROM {HERE}\nENV MARK=built\nCOPY data.txt /data\n"
    context = await shop.context("context", **{"docker/mine": dockerfile, "data.txt": "7"})
    spec = EnvironmentSpec("", (), build=DockerBuild(context, "./docker/mine"))
    image = await shop.ensure(spec)
    told = shop.run(image, f"{TOLD}; print(open('/data').read(), os.listdir('{CODE}/code'))")
    assert "built" in told
    assert "7 ['score.py']" in told
    assert "Building ./docker/mine." in await shop.story()
    assert await shop.ensure(spec) == image
    assert "The Dockerfile's image is there." in await shop.story()


async def test_a_dockerfile_that_fails_says_why_and_leaves_nothing(shop: Workshop) -> None:
    before = shop.theirs()
    context = await shop.context(
        "failing", Dockerfile=f"FROM {HERE}\nRUN echo it is broken && exit 3\n"
    )
    spec = EnvironmentSpec("", (), build=DockerBuild(context, "Dockerfile"))
    with pytest.raises(StartFailure, match="it is broken") as raised:
        await shop.ensure(spec)
    assert raised.value.code == "ImageBuildFailure"
    assert "returned a non-zero code: 3" in raised.value.reason
    assert shop.theirs() == before


@pytest.mark.parametrize("taken", ["../../etc/passwd", "/etc/passwd"])
async def test_a_dockerfile_takes_nothing_from_outside_its_context(
    shop: Workshop, taken: str
) -> None:
    before = shop.theirs()
    context = await shop.context(
        f"prying{taken.count('.')}", Dockerfile=f"FROM {HERE}\nCOPY {taken} /taken\n"
    )
    spec = EnvironmentSpec("", (), build=DockerBuild(context, "Dockerfile"))
    with pytest.raises(StartFailure, match=r"COPY failed: .*etc/passwd") as raised:
        await shop.ensure(spec)
    assert raised.value.code == "ImageBuildFailure"
    assert shop.theirs() == before


async def test_a_prebuilt_image_is_used_as_it_is_by_its_digest(shop: Workshop) -> None:
    pinned = await shop.chosen.facts.pinned(HERE)
    assert pinned.startswith("sha256:"), "no registry has it"
    image = await shop.ensure(EnvironmentSpec("", (), image=pinned))
    prefix = shop.run(image, TOLD)
    assert ENVIRONMENT not in prefix
    assert "runtime" in prefix


async def test_packages_are_installed_on_another_image(shop: Workshop) -> None:
    pinned = await shop.chosen.facts.pinned(HERE)
    image = await shop.ensure(replace(BARE, image=pinned))
    assert shop.run(image, TOLD).split()[0] == ENVIRONMENT


async def test_what_an_engines_build_came_to_is_kept(shop: Workshop) -> None:
    spec = replace(BARE, requirements=("joblib==1.4.2",))
    assert await shop.chosen.facts.built(spec) is None
    image = await shop.ensure(spec)
    built = await shop.chosen.facts.built(spec)
    assert built is not None
    assert "joblib==1.4.2" in built.lock
    assert "joblib==1.4.2" in built.log
    assert str(built.image).startswith(f"{shop.labels.repository}/environment:")
    assert built.base == HERE
    assert await shop.ensure(spec) == image
    assert "joblib==1.4.2" in await shop.story(), "whoever finds it is told how it came about"


async def test_an_image_without_python_says_so(shop: Workshop) -> None:
    context = await shop.context("without", Dockerfile=f"FROM {HERE}\nENV PATH=/nowhere\n")
    spec = EnvironmentSpec("", (), build=DockerBuild(context, "Dockerfile"))
    with pytest.raises(StartFailure, match="has no python3"):
        await shop.ensure(spec)


async def test_an_image_that_is_not_there_is_refused_where_it_is_named(shop: Workshop) -> None:
    with pytest.raises(Invalid, match="is not the name of an image"):
        await shop.chosen.facts.pinned("No Image")
    with pytest.raises(StartFailure, match="absent"):
        await shop.ensure(EnvironmentSpec("", (), image=f"127.0.0.1:9/absent@sha256:{'0' * 64}"))


async def test_an_environment_is_made_in_the_registry_and_pulled_by_its_digest(
    pulled: Workshop, served: DockerRegistry
) -> None:
    spec = replace(BARE, requirements=("tiny",))
    image = await pulled.ensure(spec)
    told = pulled.run(image, f"import tiny; {TOLD}; print(tiny.answer)").split()
    assert (told[0], told[-1]) == (ENVIRONMENT, "42")
    assert f"The environment is {served.host}/team/environments@sha256:" in await pulled.story()
    assert index.PASSWORD not in await pulled.story()
    assert await pulled.ensure(spec) == image


async def test_a_registrys_image_is_pinned_by_what_its_tag_means(
    pulled: Workshop, served: DockerRegistry
) -> None:
    name = f"{served.host}/base:{VERSION}"
    pinned = await pulled.chosen.facts.pinned(name)
    assert pinned.startswith(f"{served.host}/base@sha256:")
    assert await pulled.chosen.facts.pinned(pinned) == pinned
    with pytest.raises(Invalid, match="knows none of that name"):
        await pulled.chosen.facts.pinned(f"{served.host}/absent:1")
    image = await pulled.ensure(EnvironmentSpec("", (), image=pinned))
    assert ENVIRONMENT not in pulled.run(image, TOLD)


async def test_a_dockerfile_stands_on_an_image_of_the_registry_that_has_to_be_opened(
    pulled: Workshop, served: DockerRegistry
) -> None:
    base = await pulled.chosen.facts.pinned(f"{served.host}/base:{VERSION}")
    context = await pulled.context("standing", Dockerfile=f"FROM {base}\nENV MARK=built\n")
    image = await pulled.ensure(EnvironmentSpec("", (), build=DockerBuild(context, "Dockerfile")))
    assert "built" in pulled.run(image, TOLD)


async def test_images_of_environments_that_nothing_uses_go(pulled: Workshop) -> None:
    await pulled.ensure(BARE)
    assert [name for name in pulled.theirs() if "/environment:" in name]
    await pulled.chosen.images.prune(pulled.labels, kept=0)
    assert not [name for name in pulled.theirs() if "/environment:" in name]


async def test_another_host_tells_what_an_environment_came_to(pulled: Workshop) -> None:
    spec = replace(BARE, requirements=("tiny",))
    await pulled.ensure(spec)
    pulled.chosen.images.forget("it")
    assert "tiny==1.0" in await pulled.story(spec)


async def test_a_registry_that_stays_down_is_told_on_what_needs_it(
    pulled: Workshop, served: DockerRegistry
) -> None:
    spec = replace(BARE, requirements=("tiny>=0.9",))
    served.stop()
    try:
        with pytest.raises(StartFailure, match=f"The registry {served.host} does not answer"):
            await pulled.ensure(spec)
        assert f"The registry {served.host} does not answer" in await pulled.story(spec)
        name = f"{served.host}/base:{VERSION}"
        assert await pulled.chosen.facts.pinned(name) == name, "it is looked up when it is needed"
    finally:
        served.start()
    assert await pulled.ensure(spec)
