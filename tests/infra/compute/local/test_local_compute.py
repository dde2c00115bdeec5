import asyncio
import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.ports import (
    BlobFolder,
    EnvironmentSpec,
    InstanceLost,
    InstanceSize,
    LogKind,
    Probe,
    WorkloadState,
)
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.infra.compute.conftest import UV, House, is_running, opened
from tests.kit.clocks import HeldClock
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.isolation import TOGETHER, cells
from tests.kit.waiting import eventually

KEY = "online/iris/blue"


async def test_an_init_that_hangs_is_explained(tmp_path: Path) -> None:
    script = "import time\ndef init(): print('waiting'); time.sleep(600)\ndef run(d): pass"
    probe = Probe(initial_delay=100, period=50, timeout=0.2, failure_threshold=4)
    clock = HeldClock(0.0)
    async with opened(tmp_path, clock=clock.unix) as house:
        await house.serving.ensure(await house.workload(script, readiness=probe))

        async def hangs() -> bool:
            return "waiting" in await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)

        await eventually(hangs)
        clock.time = 300
        failed = await house.reach(KEY, WorkloadState.FAILED)
    assert failed.code == "ResourceNotReady"
    assert failed.reason is not None
    assert "not ready after 300 s" in failed.reason
    assert "init() has not come to its end" in failed.reason
    assert "waiting" in failed.reason


async def test_an_instance_that_uses_too_much_memory_is_killed_with_the_reason(
    house: House,
) -> None:
    script = """
    kept = []
    def init(): pass
    def run(d):
        kept.append(bytearray(400 * 2**20))
        import time; time.sleep(600)
    """
    await house.serve(await house.workload(script, memory=200 * 2**20))
    with pytest.raises(Exception, match="went away"):
        await house.score(KEY)

    async def told() -> bool:
        log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
        return "memory at its peak, and its instance type has 200 MiB" in log

    await eventually(told)
    assert "It is started again" in await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)


async def test_an_instance_that_needs_too_much_memory_to_start_fails_at_its_first_death(
    house: House,
) -> None:
    script = """
    kept = []
    def init():
        print("loading")
        kept.append(bytearray(400 * 2**20))
        import time; time.sleep(600)
    def run(d): pass
    """
    await house.serving.ensure(await house.workload(script, memory=200 * 2**20))
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert failed.code == "ResourceNotReady"
    assert re.match(
        r"It ran out of memory before it was ready: it used \d{3} MiB of memory at its peak, and "
        r"its instance type has 200 MiB\. It was killed\.\nThe end of its log:\nloading$",
        failed.reason or "",
    )
    log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
    assert log.count("loading") == 1
    assert "It ran out of memory" in log


async def test_an_instance_that_the_system_kills_is_told_with_its_memory(house: House) -> None:
    script = """
    import os, signal, time
    kept = bytearray(100 * 2**20)
    def init():
        for _ in range(3):
            # Who looks after the log looks at the memory every other time.
            os.write(1, b"x" * (17 << 20))
            while os.fstat(1).st_size >= 17 << 20:
                time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)
    def run(d): pass
    """
    await house.serving.ensure(await house.workload(script, memory=400 * 2**20))

    async def told() -> bool:
        log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
        return bool(re.search(r"SIGKILL; it used 1\d\d MiB of memory at its peak, .* 400 MiB", log))

    await eventually(told)


async def test_an_instance_that_stops_answering_is_replaced(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    script = f"""
    import os, signal, time
    def init(): pass
    def run(d):
        open({str(stopped)!r}, "w").close()
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)
    """
    # Failures count when the clock says so: not while the machine is too slow for an answer.
    probe = Probe(initial_delay=100, period=0.1, timeout=0.2, failure_threshold=2)
    clock = HeldClock(0.0)
    async with opened(tmp_path, clock=clock.unix) as house:
        await house.serve(await house.workload(script, liveness=probe))
        before = house.serving.instances(KEY)[0]
        asking = asyncio.create_task(house.score(KEY))
        await eventually(stopped.exists)
        clock.time = 100
        with pytest.raises(Exception, match="went away"):
            await asking
        [after] = await eventually(lambda: house.serving.instances(KEY))
        assert after != before
        log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
    assert "liveness probes in a row" in log


async def test_megabytes_of_printing_neither_block_nor_fill_the_disk(house: House) -> None:
    script = """
    def init(): pass
    def run(d):
        line = "x" * 999
        for _ in range(60_000): print(line)
        print("the end")
        return 1
    """
    await house.serve(await house.workload(script))
    assert (await house.score(KEY)).status == 200
    logs = house.data / "compute" / "logs"

    def bounded() -> bool:
        size = sum(file.stat().st_size for file in logs.rglob("*") if file.is_file())
        return size <= 34 * 2**20

    await eventually(bounded)
    assert (await house.score(KEY, b"0")).status == 200
    assert "the end" in await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=100)


async def test_more_instances_than_the_machine_allows_are_refused(house: House) -> None:
    await house.serving.ensure(await house.workload(instances=65))
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert failed.code == "OutOfQuota"
    assert "at most 64" in str(failed.reason)


async def test_what_can_never_run_is_refused_with_reasons(house: House) -> None:
    refusals = house.compute.capabilities.refusals
    assert await refusals(EnvironmentSpec("3.11", ()), "Standard_DS3_v2") == []
    assert await refusals(EnvironmentSpec("3.11", ()), "local") == []
    old, unknown = await refusals(EnvironmentSpec("3.7", ()), "Standard_Nonsense")
    assert "3.9 or later" in old
    assert "Standard_DS3_v2" in unknown
    (absent,) = await refusals(EnvironmentSpec("3.99", ()), None)
    assert "not on this machine; it has 3." in absent


async def test_a_script_outside_of_its_code_is_refused(house: House) -> None:
    workload = await house.workload()
    program = replace(workload.program, scoring_script="../../../../score.py")
    await house.serving.ensure(replace(workload, program=program))
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert "leaves the code's folder" in str(failed.reason)


async def test_closing_leaves_no_process_and_no_socket(house: House, tmp_path: Path) -> None:
    script = """
    import os, subprocess
    def init():
        child = subprocess.Popen(["sleep", "600"])
        print("pids", os.getpid(), child.pid)
    def run(d): return 1
    """
    await house.serve(await house.workload(script))
    socket = Path(house.serving.instances(KEY)[0].address)
    log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
    pids = [int(word) for word in log.partition("pids ")[2].split()[:2]]
    await house.compute.close()
    assert not socket.parent.exists()
    # They are killed by now; a slow kernel may take a while to end them.
    await eventually(lambda: not any(map(is_running, pids)))


async def test_a_second_host_is_kept_off_the_folder_until_the_first_has_ended(
    tmp_path: Path,
) -> None:
    second = LocalCompute(
        tmp_path,
        FileBlobStore(tmp_path, base_url="http://localhost", key=b"k" * 32),
        OutputsInPlace(tmp_path),
        uv=UV,
        limits=LocalLimits(),
        packages=USUAL_PACKAGES,
        isolation=cells(TOGETHER, tmp_path),
    )
    async with opened(tmp_path) as house:
        await house.serve(await house.workload())
        with pytest.raises(Unavailable, match="Another host"):
            await second.start()
        assert (await house.score(KEY)).status == 200
    await second.start()
    await second.close()


async def test_instances_count_against_the_machine_s_memory_wherever_they_are_asked_for(
    tmp_path: Path,
) -> None:
    gib = 2**30
    async with opened(tmp_path, memory=3 * gib, memory_overcommit=2.0) as house:
        two = await house.workload(instances=2, memory=2 * gib)
        await house.serve(two)
        other = await house.workload(key="online/iris/green", instances=2, memory=2 * gib)
        size = other.program.size
        asked = house.compute.capabilities.shortage
        assert "There is room for 1." in str(asked(other.key, size, 2, 1))
        assert asked(other.key, size, 1, 1) is None
        assert asked(two.key, size, 3, 1) is None, "in the place of its own"
        await house.serving.ensure(other)
        failed = await house.reach(other.key, WorkloadState.FAILED)
        assert failed.code == "OutOfQuota"
        assert "2 x 1.0 GiB" in str(failed.reason)
        await house.serving.ensure(replace(other, instance_count=1))
        await house.reach(other.key, WorkloadState.READY)
        await house.serving.ensure(replace(two, instance_count=3))
        grown = await house.reach(two.key, WorkloadState.FAILED)
        assert grown.code == "OutOfQuota"
        assert (await house.score(two.key)).status == 200
        job = await house.batch("def init(): pass\ndef run(files): return files", workers=1)
        refused = await house.workers.ensure(replace(job, program=other.program))
        assert refused.code == "OutOfQuota"
        assert "leave no worker any room" in str(refused.reason)
    async with opened(tmp_path, memory=gib, memory_overcommit=2.0) as smaller:
        # After a restart: what is asked for first, and fits, comes up.
        await smaller.serve(replace(other, instance_count=1))
        await smaller.serving.ensure(two)
        lacking = await smaller.reach(two.key, WorkloadState.FAILED)
        assert "models may have 1.0 GiB here" in str(lacking.reason)


async def test_more_cores_than_the_machine_has_are_said_in_the_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        asked = await house.workload(instances=2)
        wide = InstanceSize(1000.0, asked.program.size.memory)
        await house.serve(replace(asked, program=replace(asked.program, size=wide)))
        log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=100)
        assert "cores are promised to models, and this machine has" in log


FULL = """
import os, tempfile
def init(): pass
def run(data):
    if "temporary" in str(data):
        folder = tempfile.gettempdir()
        for number in range(3000):
            with open(os.path.join(folder, str(number)), "wb") as file: file.write(b"x")
        return "ok"
    try:
        with open(tempfile.mkdtemp() + "/large", "wb") as file:
            for _ in range(30): file.write(bytes(2**20))
    except OSError as error:
        return error.strerror
    finally:
        os.unlink(file.name)
"""


async def test_a_script_s_files_are_held_to_what_they_may_take_of_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path, script_files=8 * 2**20) as house:
        await house.serve(await house.workload(FULL))

        async def refused() -> bool:
            body = (await house.score(KEY, b"one")).body
            return isinstance(body, bytes) and b"File too large" in body

        async def told() -> bool:
            log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=100)
            return "and a script's may take 8 MiB (ML_ENDPOINTS_SCRIPT_FILES_MAX_BYTES)" in log

        await eventually(refused)
        with contextlib.suppress(InstanceLost):  # It may be ended before it has answered.
            await house.score(KEY, b"temporary")
        await eventually(told)


WRITER = """
import os, time
def init(): pass
def run(files):
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "large.bin"), "wb") as file:
        for _ in range(4): file.write(os.urandom(2**20))
    time.sleep(600)
"""


async def test_a_job_whose_scripts_write_too_much_output_loses_its_workers_and_says_why(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, script_output=2 * 2**20) as house:
        job = await house.batch(WRITER, output=BlobFolder("out", "mine"))
        await house.begin(job)
        outcome = await house.outcome(job.key, await house.unit("u1", [["a"]]))
        assert "output folder takes 4 MiB" in str(outcome.lost)
        assert "ML_ENDPOINTS_SCRIPT_OUTPUT_MAX_BYTES" in str(outcome.lost)
