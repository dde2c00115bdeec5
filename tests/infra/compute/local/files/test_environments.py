import asyncio
import fcntl
import math
import os
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import EnvironmentSpec, LogKind, WorkloadState
from infra.compute.ground.failure import StartFailure
from tests.infra.compute.conftest import House, opened
from tests.kit.stages.compute_place import BARE
from tests.kit.waiting import eventually

NOW = math.inf
BROKEN = """
raise RuntimeError("no compiler for this one")
"""


def broken_package(folder: Path) -> str:
    folder.mkdir()
    (folder / "backend.py").write_text(BROKEN)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "tiny"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    return f"tiny @ {folder.as_uri()}"


async def test_one_spec_wanted_by_many_is_built_once(house: House) -> None:
    environments = house.compute.premises.environments
    paths = await asyncio.gather(*(environments.ensure(BARE) for _ in range(5)))
    assert len(set(paths)) == 1
    log = environments.log(BARE).tail(100)
    assert log.count("built in") == 1
    assert await environments.ensure(BARE) == paths[0]
    assert environments.log(BARE).tail(100) == log


async def test_a_build_goes_on_when_one_of_its_waiters_gives_up(house: House) -> None:
    environments = house.compute.premises.environments
    first = asyncio.create_task(environments.ensure(BARE))
    second = asyncio.create_task(environments.ensure(BARE))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second / "bin" / "python").exists()


async def test_a_deployment_whose_environment_cannot_be_built_says_why(
    house: House, tmp_path: Path
) -> None:
    spec = EnvironmentSpec("3.11", (broken_package(tmp_path / "tiny"),))
    workload = await house.workload(environment=spec)
    await house.serving.ensure(workload)
    failed = await house.reach(workload.key, WorkloadState.FAILED)
    assert failed.code == "ImageBuildFailure"
    assert "no compiler for this one" in str(failed.reason)
    log = await house.serving.logs(workload.key, LogKind.STORAGE_INITIALIZER, tail=100)
    assert "no compiler for this one" in log
    assert not (
        tmp_path / "compute" / "environments" / house.compute.premises.environments.key_of(spec)
    ).exists()
    again = await house.serving.ensure(workload)
    assert again.state is WorkloadState.BUILDING


async def test_an_environment_whose_python_has_gone_is_built_again(house: House) -> None:
    environments = house.compute.premises.environments
    path = await environments.ensure(BARE)
    (path / "bin" / "python").unlink()
    await environments.ensure(BARE)
    assert (path / "bin" / "python").exists()


async def test_unused_environments_are_pruned_but_for_the_latest(house: House) -> None:
    environments = house.compute.premises.environments
    path = await environments.ensure(BARE)
    os.utime(path, (1, 1))
    environments.prune({path.name}, 0, NOW)
    assert path.exists()
    environments.prune(set(), 0, NOW)
    assert path.exists(), "it was in use a moment ago"
    os.utime(path, (1, 1))
    environments.prune(set(), 1, 0)
    assert path.exists(), "it is among those that are kept"
    environments.prune(set(), 1, 2)
    assert not path.exists(), "it is too old for that"
    assert not environments.log(BARE).tail(1)


async def test_what_is_half_built_goes_unless_somebody_builds_it(house: House) -> None:
    root = house.data / "compute" / "environments"
    root.mkdir(parents=True, exist_ok=True)
    half = root / ("a" * 32)
    for folder in (half, half.with_suffix(".work")):
        folder.mkdir()
        os.utime(folder, (1, 1))
    half.with_suffix(".json").write_text("{}")
    environments = house.compute.premises.environments
    # Another host's builder holds it.
    lock = os.open(half.with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    environments.prune(set(), 8, 0)
    assert half.exists()
    os.close(lock)
    environments.prune(set(), 8, 0)
    assert {path.name for path in root.iterdir()} == {f"{half.name}.lock", ".now"}


async def test_an_environment_that_is_drained_from_is_not_pruned(house: House) -> None:
    workload = await house.workload()
    await house.serve(workload)
    [path] = (house.data / "compute" / "environments").glob("?" * 32)
    os.utime(path, (1, 1))
    await house.serving.remove(workload.key, grace=timedelta(seconds=1))
    await eventually(lambda: path.stat().st_mtime > 1)
    assert path.exists()


async def test_a_builder_that_cannot_start_is_a_failure_with_a_reason(tmp_path: Path) -> None:
    async with opened(tmp_path, uv="/nowhere/uv") as house:
        environments = house.compute.premises.environments
        with pytest.raises(StartFailure, match="build failed"):
            await environments.ensure(EnvironmentSpec("3.11", ("x",)))


async def test_what_a_build_came_to_is_told_once_it_is_there(house: House) -> None:
    environments = house.compute.premises.environments
    assert await environments.build_of(BARE) is None
    folder = await environments.ensure(BARE)
    (folder / "requirements.lock").write_text("tiny==1.0\n")
    built = await environments.build_of(BARE)
    assert built is not None
    assert built.lock == "tiny==1.0\n"
    assert "built in" in built.log
    with pytest.raises(StartFailure, match="models are processes of this machine"):
        await environments.ensure(EnvironmentSpec("", (), image="mcr.example/base:1"))
