"""Dockerfiles that a registry builds by itself: against the stand-in for Azure Resource Manager,
with images in Debian's docker-registry. An engine carries builds out in tests/contract/fleets."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ports import DockerBuild
from infra.compute.container_apps.arm.arm_budget import ArmBudget
from infra.compute.container_apps.arm.arm_calls import ArmCalls
from infra.compute.container_apps.builds.registry_tasks import RegistryTasks
from infra.compute.container_apps.builds.run_files import RunFiles
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Assets
from infra.compute.registry.dockerfiles.built_dockerfiles import BuiltDockerfiles
from infra.compute.registry.image_records import ImageRecord, ImageRecords
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls
from infra.compute.registry.upkeep.image_uses import ImageUses
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.apps.put_builds import FAILS
from tests.kit.apps.scripted_apps import GivenToken, standing_in
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import eventually
from tests.servers.arm import run_schema
from tests.servers.arm.records import Fault
from tests.servers.arm.registry_runs import RegistryRuns, Run
from tests.servers.arm.stand_in import StandIn
from tests.servers.registry.docker_registry import DockerRegistry
from tests.servers.registry.given import given_registry
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

REPOSITORY = "ours/dockerfiles"


@dataclass
class Workshop:
    """`hosts` share a store, and what they build with is one registry."""

    stand_in: StandIn
    records: ImageRecords
    registry: Registry
    blobs: FileBlobStore
    hosts: list[BuiltDockerfiles]
    tasks: RegistryTasks
    story: list[str] = field(default_factory=list)

    @property
    def runs(self) -> RegistryRuns:
        return self.stand_in.registry_runs

    @property
    def begun(self) -> list[Run]:
        return list(self.runs.runs.values())

    async def files(self, name: str, dockerfile: str) -> DockerBuild:
        await self.blobs.write("assets", f"{name}/Dockerfile", dockerfile.encode())
        await self.blobs.write("assets", f"{name}/data.txt", b"7")
        return DockerBuild(await sealed(self.blobs, "assets", name), "./Dockerfile")

    async def ensure(self, build: DockerBuild, host: int = 0) -> str:
        return await self.hosts[host].ensure(build, self.story.append)

    def plan(self, fault: Fault) -> None:
        self.stand_in.manager.faults.append(fault)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with given_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def platform() -> Iterator[StandIn]:
    with standing_in() as (stand_in, _):
        yield stand_in


@pytest.fixture
async def shop(
    platform: StandIn, served: DockerRegistry, tmp_path: Path
) -> AsyncIterator[Workshop]:
    platform.registry_runs.runs.clear()
    platform.registry_runs.is_allowed = True
    platform.registry_runs.may_go_on.set()
    platform.manager.faults.clear()
    id = platform.registry(served.host)
    blobs = FileBlobStore(tmp_path / "blobs", base_url="https://unused", key=b"k")
    store = MemoryResourceStore(time.time)
    records = ImageRecords(store, blobs)
    registry = Registry(RegistryCalls(served.url, None))
    calls = ArmCalls(platform.url, GivenToken(), ArmBudget(time.monotonic))
    hosts = []
    for number in range(2):
        tasks = RegistryTasks(calls, id, "amd64", RunFiles(plain=True))
        assets = Assets(tmp_path / f"files-{number}", blobs)
        uses = ImageUses(store, registry, "ours", time.time)
        hosts.append(BuiltDockerfiles(registry, REPOSITORY, tasks, records, assets, uses))
        assets.sweep()
    yield Workshop(platform, records, registry, blobs, hosts, tasks)
    platform.registry_runs.may_go_on.set()
    for host in hosts:
        await host.close()
    await calls.close()
    await registry.close()


async def test_it_is_built_once_for_all_who_want_it_and_its_log_is_kept(shop: Workshop) -> None:
    build = await shop.files("mine", "FROM base\nCOPY data.txt /data\n")
    images = await asyncio.gather(*(shop.ensure(build, host) for host in (0, 1, 0, 1)))
    assert len(set(images)) == 1
    assert images[0].startswith(f"{shop.registry.host}/{REPOSITORY}@sha256:")
    [run] = shop.begun
    assert run.dockerfile == "Dockerfile"
    assert "COPY data.txt /data" in shop.story
    [(record, _)] = await shop.records.all()
    assert (record.image, record.holder, record.run) == (images[0], "", "")
    assert "COPY data.txt /data" in await shop.records.log(record.key)
    other = await shop.files("mine", "FROM base\nCOPY data.txt /other\n")
    await shop.ensure(other)
    assert len(shop.begun) == 2, "what is in its folder is another"


async def test_one_that_fails_says_why_with_the_end_of_its_log_and_is_built_anew(
    shop: Workshop,
) -> None:
    build = await shop.files("failing", f"FROM base\n{FAILS}\n")
    for _ in range(2):
        with pytest.raises(StartFailure) as raised:
            await shop.ensure(build)
        assert raised.value.code == "ImageBuildFailure"
        assert "executor failed running: exit code 3" in raised.value.reason
        assert raised.value.reason.endswith(FAILS)
    assert len(shop.begun) == 2
    [(record, _)] = await shop.records.all()
    assert (record.image, record.holder) == (None, "")


async def test_a_dockerfile_that_is_not_there_is_named_and_nothing_is_begun(
    shop: Workshop,
) -> None:
    build = replace(await shop.files("without", "FROM base\n"), dockerfile="docker/mine")
    with pytest.raises(StartFailure, match="There is no docker/mine in assets/without"):
        await shop.ensure(build)
    assert shop.begun == []


async def test_a_subscription_with_free_credit_is_told_what_else_to_do(shop: Workshop) -> None:
    shop.runs.is_allowed = False
    with pytest.raises(StartFailure, match="TasksOperationsNotAllowed") as raised:
        await shop.ensure(await shop.files("free", "FROM base\n"))
    assert raised.value.code == "ImageBuildFailure"
    assert "free credit" in raised.value.reason
    assert "name it in the environment as `image`" in raised.value.reason


async def test_a_right_that_this_host_lacks_is_named(shop: Workshop) -> None:
    shop.plan(Fault("POST", "scheduleRun", 1, 403, "AuthorizationFailed", "it may not"))
    with pytest.raises(StartFailure, match="Container Registry Tasks Contributor"):
        await shop.ensure(await shop.files("rights", "FROM base\n"))


async def test_a_build_whose_beginning_is_not_answered_is_begun_once(shop: Workshop) -> None:
    build = await shop.files("once", "FROM base\nENV OF=once\n")
    shop.plan(Fault("POST", "scheduleRun", lost=True))
    shop.plan(Fault("GET", "/runs/", status=503))
    await shop.ensure(build)
    assert len(shop.begun) == 1


async def test_a_build_that_is_turned_away_for_now_is_asked_for_again(shop: Workshop) -> None:
    build = await shop.files("busy", "FROM base\nENV OF=busy\n")
    shop.plan(Fault("POST", "scheduleRun", status=429, retry_after=0))
    with pytest.raises(Unavailable):
        await shop.ensure(build)
    assert shop.begun == []
    assert await shop.ensure(build)


async def test_what_a_host_has_begun_that_died_another_goes_on_with(
    shop: Workshop, tmp_path: Path
) -> None:
    build = await shop.files("dying", "FROM base\nENV OF=dying\n")
    key = shop.hosts[0].named(build).rpartition(":")[2]
    run = await shop.tasks.begin(
        context(tmp_path, "FROM base\n"), "Dockerfile", f"{REPOSITORY}:{key}"
    )
    await shop.records.save(ImageRecord(key, "", run=run), None)  # nobody has it in hand any more
    assert await shop.ensure(build, 1)
    assert [each.id for each in shop.begun] == [run]
    assert "The build that was begun goes on." in shop.story


def context(folder: Path, dockerfile: str) -> Path:
    made = folder / "context"
    made.mkdir()
    (made / "Dockerfile").write_text(dockerfile)
    return made


async def has_begun(shop: Workshop) -> bool:
    return any(record.run for record, _ in await shop.records.all())


async def test_a_build_that_nobody_wants_any_more_is_canceled_and_leaves_nothing(
    shop: Workshop,
) -> None:
    build = await shop.files("unwanted", "FROM base\nENV OF=unwanted\n")
    shop.runs.may_go_on.clear()
    wish = asyncio.create_task(shop.ensure(build))
    await eventually(lambda: has_begun(shop), "a run that is begun")
    wish.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wish
    shop.runs.may_go_on.set()
    assert [run.status for run in shop.begun] == ["Canceled"]
    [(record, _)] = await shop.records.all()
    assert (record.image, record.holder) == (None, "")
    assert await shop.registry.digest(REPOSITORY, record.key) is None
    assert await shop.ensure(build), "whoever wants it again has it built anew"


# -- the stand-in itself


@pytest.mark.skipif(not run_schema.is_there(), reason=run_schema.WITHOUT)
def test_a_wish_with_a_fault_is_refused() -> None:
    right = {
        "type": "DockerBuildRequest",
        "dockerFilePath": "Dockerfile",
        "imageNames": ["a:1"],
        "platform": {"os": "Linux", "architecture": "amd64"},
        "timeout": 600,
    }
    assert run_schema.faults(right) == []
    for spoiled, said in (
        ({"dockerfile": "x"}, "dockerfile: is not known"),
        ({"platform": {"os": "linux"}}, "'linux' is none of"),
        ({"timeout": "600"}, "is no IntegerType"),
        ({"type": "Other"}, "no type that there is"),
    ):
        assert any(said in each for each in run_schema.faults({**right, **spoiled}))
    without = {name: value for name, value in right.items() if name != "platform"}
    assert run_schema.faults(without) == ["body.platform: is missing"]
