import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.ports import BlobFolder, EnvironmentSpec, LogKind, Probe, WorkloadState
from tests.infra.compute.conftest import House, is_running, opened
from tests.kit.clocks import HeldClock
from tests.kit.waiting import PATIENCE, eventually

KEY = "online/iris/blue"


async def test_a_deployment_becomes_ready_and_scores(house: House) -> None:
    workload = await house.workload()
    first = await house.serving.ensure(workload)
    assert first.state is WorkloadState.BUILDING
    ready = await house.serve(workload)
    assert (ready.ready, ready.wanted, ready.serving, ready.served) == (1, 1, True, True)
    answer = await house.score(KEY, b'"hello"')
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    assert "hello" in answer.body.decode()
    assert "the model is loaded" in await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
    assert "Environment" in await house.serving.logs(KEY, LogKind.STORAGE_INITIALIZER, tail=50)


async def test_the_process_sees_its_model_code_and_variables_and_nothing_of_the_hosts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_ENDPOINTS_SECRET", "not for models")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nor this")
    await house.blobs.write("assets", "models/m1/weights/a.txt", b"weights")
    script = """
    import os
    def init(): pass
    def run(data):
        folder = os.environ["AZUREML_MODEL_DIR"]
        found = [os.path.relpath(os.path.join(d, f), folder)
                 for d, _, fs in os.walk(folder) for f in fs]
        return {"env": dict(os.environ), "cwd": os.getcwd(), "model": found}
    """
    workload = await house.workload(
        script, model=BlobFolder("assets", "models/m1"), variables={"GREETING": "hi", "TZ": "UTC"}
    )
    await house.serve(workload)
    answer = await house.score(KEY)
    assert isinstance(answer.body, bytes)
    seen = json.loads(answer.body)
    assert seen["model"] == ["m1/weights/a.txt"]
    variables = seen["env"]
    assert variables["GREETING"] == "hi"
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert variables["AML_APP_ROOT"] == seen["cwd"]
    assert variables["OMP_NUM_THREADS"] == "1"
    assert not [name for name in variables if name.startswith(("ML_ENDPOINTS_", "AWS_"))]


async def test_an_instance_that_dies_is_replaced(house: House) -> None:
    await house.serve(await house.workload("import os\ndef init(): pass\ndef run(d): os._exit(9)"))
    before = house.serving.instances(KEY)[0]
    with pytest.raises(Exception, match="went away"):
        await house.score(KEY)
    await eventually(
        lambda: house.serving.instances(KEY) and house.serving.instances(KEY)[0] != before
    )
    assert "exit status 9" in await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)


async def test_a_script_that_cannot_be_imported_fails_at_once_with_its_traceback(
    house: House,
) -> None:
    await house.serving.ensure(await house.workload("import no_such_module_here"))
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert failed.code == "UserScriptImportError"
    assert failed.reason is not None
    assert "no_such_module_here" in failed.reason
    assert not house.serving.instances(KEY)
    assert "Traceback" in await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)


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


async def test_a_failed_deployment_is_revived_by_ensure(house: House) -> None:
    switch = house.data / "switch"
    script = """
    import os
    if not os.path.exists(os.environ["SWITCH"]):
        import no_such_module_here
    def init(): pass
    def run(d): return 1
    """
    workload = await house.workload(script, variables={"SWITCH": str(switch)})
    await house.serving.ensure(workload)
    await house.reach(KEY, WorkloadState.FAILED)
    switch.touch()
    revived = await house.serving.ensure(workload)
    assert revived.state is WorkloadState.STARTING
    await house.reach(KEY, WorkloadState.READY)


async def test_code_that_is_not_in_the_store_is_named(house: House) -> None:
    workload = await house.workload(model=BlobFolder("assets", "models/none"))
    await house.serving.ensure(workload)
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert failed.code == "ResourceNotFound"
    assert "assets/models/none" in str(failed.reason)
    await house.blobs.write("assets", "models/none/model.pkl", b"x")
    await house.serving.ensure(workload)
    await house.reach(KEY, WorkloadState.READY)


async def test_a_roll_out_never_stops_serving(house: House) -> None:
    await house.serve(await house.workload("def init(): pass\ndef run(d): return 'old'"))
    answers: list[tuple[int, bytes]] = []
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            answer = await house.score(KEY)
            assert isinstance(answer.body, bytes)
            answers.append((answer.status, answer.body))

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    await house.serve(
        await house.workload("def init(): pass\ndef run(d): return 'new'", revision="2")
    )
    await eventually(lambda: answers[-1][1] == b'"new"')
    stop.set()
    await asyncio.gather(*asking)
    assert {status for status, _ in answers} == {200}
    assert {body for _, body in answers} == {b'"old"', b'"new"'}


async def test_a_roll_out_that_fails_leaves_the_old_revision_serving(house: House) -> None:
    await house.serve(await house.workload())
    await house.serving.ensure(await house.workload("nonsense(", revision="2"))
    await house.reach(KEY, WorkloadState.FAILED, revision="2")
    failed = await house.serving.observe(KEY)
    assert failed is not None
    assert failed.serving
    assert (await house.score(KEY)).status == 200
    again = await house.workload(revision="1")
    assert (await house.serving.ensure(again)).state is WorkloadState.READY


async def test_draining_lets_requests_in_flight_finish(house: House) -> None:
    gate = house.data / "gate"
    script = f"""
    import os, time
    def init(): pass
    def run(d):
        while not os.path.exists({str(gate)!r}): time.sleep(0.01)
        return 'done'
    """
    await house.serve(await house.workload(script))
    asked = asyncio.create_task(house.score(KEY))
    address = house.serving.instances(KEY)[0].address
    await eventually(lambda: house.compute.premises.http.in_flight(address))
    removed = await house.serving.remove(KEY, grace=timedelta(seconds=PATIENCE))
    assert house.serving.instances(KEY) == ()
    assert not removed
    gate.touch()
    answer = await asked
    assert (answer.status, answer.body) == (200, b'"done"')
    await house.end(KEY, PATIENCE)
    assert await house.serving.keys() == []
    assert await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=5) == ""


async def test_scaling_changes_the_number_of_instances_and_nothing_else(house: House) -> None:
    workload = await house.workload()
    await house.serve(workload)
    first = house.serving.instances(KEY)[0]
    await house.serving.ensure(replace(workload, instance_count=2))
    await eventually(lambda: len(house.serving.instances(KEY)) == 2)
    await house.serving.ensure(workload)
    await eventually(lambda: house.serving.instances(KEY) == (first,))


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
        return "of memory; its instance type has 200 MiB" in log

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
