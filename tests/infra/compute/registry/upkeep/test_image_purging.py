"""Images in Debian's docker-registry that nothing uses any more, and those that something does."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import Unavailable
from domain.ports import EnvironmentSpec, InstanceSize, Program, Replace, SealedFolder
from infra.compute.local.premises import RUNTIME as RUNTIME_HERE
from infra.compute.registry.programs.making import BaseImage, Making, RegistryPlace
from infra.compute.registry.programs.node_images import ChosenImages
from infra.compute.registry.programs.registry_images import registry_images
from infra.compute.registry.registry_calls import RegistryRefusal
from infra.compute.registry.upkeep.due_looks import DueLooks
from infra.compute.registry.upkeep.image_purging import A_DAY, ImagePurging
from infra.compute.registry.upkeep.image_upkeep import Chore, ImageUpkeep
from infra.compute.registry.upkeep.image_uses import PARTITION, ImageUse, ImageUses
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.registry_shelf import (
    HERE,
    UV,
    VERSION,
    RegistryShelf,
    fake_python,
    shelf_at,
)
from tests.kit.stages.sealing import sealed
from tests.servers.registry.given import given_registry
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONTH = 30 * A_DAY


@dataclass
class Shop:
    """`running` and `wanted` are what a platform and a store would tell; `at` is the clock."""

    shelf: RegistryShelf
    chosen: ChosenImages
    program: Program
    running: list[str] = field(default_factory=list)
    wanted: list[Program] = field(default_factory=list)
    is_away: bool = False
    at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.uses = ImageUses(self.shelf.store, self.shelf.registry, "ours", self.now)
        self.purging = ImagePurging(
            self.uses, self.chosen.programs, self._running, self._wanted, self.now, age=MONTH
        )

    def now(self) -> float:
        return self.at

    async def _running(self) -> list[str]:
        if self.is_away:
            raise Unavailable("apps cannot be listed")
        return self.running

    async def _wanted(self) -> list[Program]:
        return self.wanted

    async def made(self, script: str) -> tuple[Program, str]:
        program = replace(self.program, code=await self.code(script))
        return program, (await self.chosen.images.ensure("g", program)).name

    async def code(self, script: str) -> SealedFolder:
        await self.shelf.blobs.write("assets", f"{script}/score.py", script.encode())
        return await sealed(self.shelf.blobs, "assets", script)

    async def is_there(self, image: str) -> bool:
        name, _, digest = image.partition("@")
        return await self.shelf.registry.digest(name.partition("/")[2], digest) is not None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp("purging")
    with given_registry(folder / "registry") as served:
        async with shelf_at(served.url, folder, USUAL_PACKAGES) as shelf:
            await shelf.put_base("base", fake_python())
            base = BaseImage(f"{served.host}/base:{{python}}")
            making = Making(
                shelf.blobs, shelf.store, base, folder / "made", RUNTIME_HERE, UV, USUAL_PACKAGES
            )
            place = RegistryPlace(f"{served.url}/ours", None, 0, patience=30)
            chosen = registry_images(place, making, HERE, None)
            spec, size = EnvironmentSpec(VERSION, ()), InstanceSize(1, 2**28)
            yield Shop(shelf, chosen, Program(spec, None, None, "score.py", {}, size))
            await chosen.images.close()


@pytest.fixture
def shop(stage: Shop) -> Shop:
    return Shop(stage.shelf, stage.chosen, stage.program)


async def test_what_runs_and_what_is_deployed_stays_and_the_rest_goes_after_its_age(
    shop: Shop,
) -> None:
    program, deployed = await shop.made("deployed")
    _, running = await shop.made("running")
    other, unused = await shop.made("unused")
    shop.wanted, shop.running = [program], [running, "docker.io/library/busybox:1"]
    shop.at += MONTH / 2
    assert await shop.purging.look() == []
    shop.at += MONTH / 2 + A_DAY
    assert await shop.purging.look() == [unused]
    assert not await shop.is_there(unused)
    environment = await shop.chosen.facts.built(program.environment)
    assert environment is not None
    assert environment.base, "an image of others, which is not touched"
    for image in (deployed, running, str(environment.image), environment.base):
        assert await shop.is_there(image) or "@" not in image
    assert await shop.purging.look() == []
    assert (await shop.chosen.images.ensure("g", other)).name == unused, "it is made anew"
    assert await shop.is_there(unused)


async def test_nothing_goes_while_it_cannot_be_told_what_runs(shop: Shop) -> None:
    _, image = await shop.made("lonely")
    shop.at += 2 * MONTH
    shop.is_away = True
    assert await shop.purging.look() == []
    assert await shop.is_there(image)


async def test_what_was_being_removed_when_its_host_died_is_removed_and_made_anew(
    shop: Shop,
) -> None:
    program, image = await shop.made("dying")
    shop.at += 2 * MONTH
    name, _, digest = image.partition("@")
    left = ImageUse(name.partition("/")[2], digest, time.time(), going=True)
    await shop.shelf.store.transact(PARTITION, [Replace(left.id, left.body, None)])
    with pytest.raises(Unavailable, match="it is made anew"):
        await shop.uses.used(image)
    assert not await shop.is_there(image)
    assert (await shop.chosen.images.ensure("g", program)).name == image
    assert await shop.is_there(image)


async def test_a_registry_that_removes_nothing_keeps_images_that_can_be_used_again(
    tmp_path: Path,
) -> None:
    store, at = MemoryResourceStore(time.time), [time.time()]
    with given_registry(tmp_path / "registry", deletes=False) as served:
        async with shelf_at(served.url, tmp_path, USUAL_PACKAGES) as shelf:
            digest = await shelf.put_base("ours/programs", fake_python())
            uses = ImageUses(store, shelf.registry, "ours", lambda: at[0])
            image = f"{served.host}/ours/programs@{digest}"
            await uses.used(image)
            at[0] += 2 * MONTH
            for _ in range(2):
                with pytest.raises(RegistryRefusal):
                    await uses.purge(at[0] - MONTH)
            await uses.used(image)
            assert await uses.purge(at[0] - MONTH) == []
            going = ImageUse("ours/programs", digest, 0.0, going=True)
            await store.transact(PARTITION, [Replace(going.id, going.body, None)])
            await uses.used(image)
            assert await uses.purge(at[0] - MONTH) == []


async def test_a_chore_is_done_by_one_host_however_short_each_lives() -> None:
    at, done = [1000.0], list[str]()
    store = MemoryResourceStore(lambda: at[0])

    async def look() -> None:
        done.append("looked")

    def host() -> ImageUpkeep:
        """One that has just begun."""
        return ImageUpkeep(DueLooks(store, lambda: at[0]), [Chore("purge", A_DAY, look)])

    assert await host().look() == []
    at[0] += A_DAY - 1
    assert await host().look() == []
    at[0] += 2
    assert [await host().look() for _ in range(3)] == [["purge"], [], []]
    assert done == ["looked"]
    never = ImageUpkeep(DueLooks(store, lambda: at[0]), [Chore("rebase", 0, look)])
    assert await never.look() == []
    never.start()
    await never.close()
