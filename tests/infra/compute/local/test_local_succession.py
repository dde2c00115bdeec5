"""Two computes on one data folder, one of which follows the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from domain.errors import Unavailable
from domain.ports import WorkloadState
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.compute.succession import DoesNotComeUp
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.infra.compute.conftest import UV, House, opened
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.isolation import TOGETHER, cells
from tests.kit.waiting import eventually

KEY: Final = "online/iris/blue"


@asynccontextmanager
async def following(house: House, keys: list[str], processes: int = 64) -> AsyncIterator[House]:
    """The compute of a host that follows one which serves `keys`."""
    blobs = FileBlobStore(house.data, base_url="http://localhost", key=b"k" * 32)
    outputs = OutputsInPlace(house.data / "blobs")
    compute = LocalCompute(
        house.data,
        blobs,
        outputs,
        uv=UV,
        packages=USUAL_PACKAGES,
        isolation=cells(TOGETHER, house.data),
        limits=LocalLimits(processes=processes),
    )
    compute.succession.begin_beside(keys)
    await compute.start()
    try:
        yield House(house.data, blobs, compute)
    finally:
        await compute.close()
        await blobs.close()


async def test_each_serves_from_its_own_processes_until_the_first_one_goes(house: House) -> None:
    workload = await house.workload()
    await house.serve(workload)
    old = house.serving.instances(KEY)
    await house.compute.succession.hand_over()
    async with following(house, [KEY]) as second:
        succession = second.compute.succession
        assert await succession.lacking() == [KEY]
        await second.serve(workload)
        assert await succession.lacking() == []
        assert (await house.score(KEY)).status == 200
        assert house.serving.instances(KEY) == old != second.serving.instances(KEY)
        house.compute.succession.use(succession.own())
        assert house.serving.instances(KEY) == second.serving.instances(KEY)
        assert (await house.score(KEY)).status == 200
        await house.compute.close()
        # Neither its processes nor its files went with the first.
        succession.is_alone()
        assert (await second.score(KEY)).status == 200


async def test_a_successor_is_up_when_it_has_as_many_instances_as_are_wanted(house: House) -> None:
    first, gate = house.gate(), house.gate()
    gate.open()
    script = f"""
    import os, time
    def init():
        try:
            os.close(os.open({str(first.file)!r}, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            while not {gate.is_open}: time.sleep(0.01)
    def run(data): return 1
    """
    workload = await house.workload(script, instances=2)
    await house.serve(workload)
    first.file.unlink()
    gate.file.unlink()
    await house.compute.succession.hand_over()
    async with following(house, [KEY]) as second:
        succession = second.compute.succession
        await second.serving.ensure(workload)
        await eventually(lambda: len(second.serving.instances(KEY)) == 1)
        assert await succession.lacking() == [KEY]
        # The two of the host before take what the one could not.
        assert succession.own() == {}
        gate.open()
        await second.reach(KEY, WorkloadState.READY)
        assert await succession.lacking() == []
        assert len(succession.own()[KEY]) == 2


async def test_one_that_has_handed_over_starts_nothing_until_it_takes_back(house: House) -> None:
    succession = house.compute.succession
    await succession.hand_over()
    workload = await house.workload()
    assert (await house.serving.ensure(workload)).state is WorkloadState.STARTING
    assert await house.serving.observe(KEY) is None
    async with following(house, []):
        with pytest.raises(Unavailable, match="Another host"):
            succession.take_back()
    succession.take_back()
    await house.serve(workload)
    assert (await house.score(KEY)).status == 200


async def test_what_cannot_run_here_is_not_waited_for(house: House) -> None:
    await house.serve(await house.workload())
    await house.compute.succession.hand_over()
    async with following(house, [KEY], processes=1) as second:
        succession = second.compute.succession
        await second.serving.ensure(await house.workload(instances=2))
        with pytest.raises(DoesNotComeUp, match="at most 1 instances"):
            await succession.lacking()
        await second.serving.remove(KEY, grace=timedelta(0))
        assert await succession.lacking() == []


async def test_builds_end_when_a_host_hands_over_and_begin_anew_when_it_takes_back(
    tmp_path: Path,
) -> None:
    uv = tmp_path / "uv"
    gate = tmp_path / "gate"
    uv.write_text(f'#!/bin/sh\nwhile [ ! -e {gate} ]; do sleep 0.01; done\nexec {UV} "$@"\n')
    uv.chmod(0o700)
    async with opened(tmp_path, uv=str(uv)) as house:
        await house.serving.ensure(await house.workload())
        builds = tmp_path / "compute" / "environments"
        await eventually(lambda: list(builds.glob("*.json")), "a build")
        await house.compute.succession.hand_over()
        seen = await house.serving.observe(KEY)
        # Callers who wait for it go on waiting: the other host brings it up.
        assert seen is not None
        assert (seen.state, seen.served) == (WorkloadState.STARTING, False)
        gate.touch()
        house.compute.succession.take_back()
        await house.reach(KEY, WorkloadState.READY)
