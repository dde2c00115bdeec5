"""The contract of domain.ports.Serving, and of the Scorer beside it. What dies, hangs and prints
is told to by its script, and gates are files that scripts see."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from domain.ports import (
    EnvironmentSpec,
    Instance,
    InstanceLost,
    LogKind,
    WorkloadState,
)
from tests.kit.stages.compute_place import Place
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", params=["local", "docker"])
def compute_family(request: pytest.FixtureRequest) -> str:
    """`docker`: the remote compute, over a real engine where there is one."""
    name: str = request.param
    return name


PRINTED, PREPARED = LogKind.INFERENCE_SERVER, LogKind.STORAGE_INITIALIZER
AT_ONCE = timedelta(0)


def says(text: str) -> str:
    return f"def init(): pass\ndef run(data): return {text!r}"


async def serves(place: Place, key: str) -> bool:
    seen = await place.serving.observe(key)
    return seen is not None and seen.serving


async def ids(place: Place, key: str) -> list[str]:
    return [each.id for each in place.serving.instances(key)]


# -- ensure and observe ---------------------------------------------------------------


async def test_a_deployment_becomes_ready_and_scores(place: Place) -> None:
    workload = await place.deployment(instances=2)
    key = workload.key
    first = await place.serving.ensure(workload)
    assert first.state in (WorkloadState.BUILDING, WorkloadState.STARTING)
    assert (first.ready, first.wanted, first.serving, first.served) == (0, 2, False, False)
    ready = await place.serve(workload)
    assert (ready.revision, ready.ready, ready.wanted) == ("1", 2, 2)
    assert (ready.serving, ready.served) == (True, True)
    assert (ready.code, ready.reason) == (None, None)
    assert len(set(await ids(place, key))) == 2
    for instance in place.serving.instances(key):
        answer = await place.ask(instance, b'"hello"')
        assert answer.status == 200
        assert isinstance(answer.body, bytes)
        assert "hello" in answer.body.decode()
    assert key in await place.serving.keys()
    assert await place.log(key, PRINTED, "the model is loaded")
    assert await place.serving.logs(key, PREPARED, tail=50)


async def test_what_was_never_asked_for_is_not_there(place: Place) -> None:
    key = "online/iris/unheard-of"
    assert await place.serving.observe(key) is None
    assert list(place.serving.instances(key)) == []
    assert key not in await place.serving.keys()
    assert await place.serving.logs(key, PRINTED, tail=5) == ""
    assert await place.serving.remove(key, grace=AT_ONCE)


async def test_asking_again_changes_nothing_but_the_count(place: Place) -> None:
    workload = await place.deployment()
    key = workload.key
    await place.serve(workload)
    [first] = await ids(place, key)

    async def is_as_it_was() -> bool:
        """But for a moment in which a busy machine has it not answer."""
        again = await place.serving.ensure(workload)
        return (again.state, again.ready) == (WorkloadState.READY, 1)

    await eventually(is_as_it_was)
    assert await ids(place, key) == [first]
    more = await place.serving.ensure(replace(workload, instance_count=2))
    assert more.wanted == 2
    await eventually(lambda: len(place.serving.instances(key)) == 2)
    assert first in await ids(place, key)
    await place.serving.ensure(workload)
    await eventually(lambda: len(place.serving.instances(key)) == 1)
    assert await ids(place, key) == [first]


async def test_no_instances_are_ready_and_serve_nobody(place: Place) -> None:
    workload = await place.deployment()
    asleep = await place.serve(replace(workload, instance_count=0))
    assert (asleep.ready, asleep.wanted, asleep.serving, asleep.served) == (0, 0, False, False)
    await place.serve(workload)
    await place.serving.ensure(replace(workload, instance_count=0))
    await eventually(lambda: not place.serving.instances(workload.key))
    seen = await place.serving.observe(workload.key)
    assert seen is not None
    assert (seen.state, seen.serving, seen.served) == (WorkloadState.READY, False, True)


async def test_workers_share_an_instance_s_requests(place: Place) -> None:
    """Whether they are reached one by one or not, what is counted are instances."""
    script = "import os\ndef init(): pass\ndef run(data): return os.getpid()"
    workload = replace(await place.deployment(script, instances=2), workers=2)
    ready = await place.serve(workload)
    assert (ready.ready, ready.wanted) == (2, 2)
    assert sum(each.workers for each in place.serving.instances(workload.key)) == 4


async def test_a_program_sees_its_model_code_and_variables_and_nothing_of_the_host_s(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_ENDPOINTS_SECRET", "not for models")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nor this")
    await place.blobs.write("assets", "models/m1/weights/a.txt", b"weights")
    script = """
    import os
    def init(): pass
    def run(data):
        folder = os.environ["AZUREML_MODEL_DIR"]
        found = [os.path.relpath(os.path.join(d, f), folder)
                 for d, _, fs in os.walk(folder) for f in fs]
        return {"env": dict(os.environ), "cwd": os.getcwd(), "model": found}
    """
    model = await sealed(place.blobs, "assets", "models/m1")
    workload = await place.deployment(script, model=model, variables={"GREETING": "hi"})
    await place.serve(workload)
    answer = await place.score(workload.key)
    assert isinstance(answer.body, bytes)
    seen = json.loads(answer.body)
    assert seen["model"] == ["m1/weights/a.txt"]
    variables = seen["env"]
    assert variables["GREETING"] == "hi"
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert variables["AML_APP_ROOT"] == seen["cwd"]
    assert variables["OMP_NUM_THREADS"] == "1"
    variables.pop("ML_ENDPOINTS_PROCESS", None)  # by which an agent knows what is its own
    assert not [name for name in variables if name.startswith(("ML_ENDPOINTS_", "AWS_"))]


# -- failures -------------------------------------------------------------------------


async def test_a_script_that_cannot_begin_fails_with_azure_ml_s_code_and_its_traceback(
    place: Place,
) -> None:
    workload = await place.deployment("import no_such_module_here\ndef run(data): pass")
    await place.serving.ensure(workload)
    failed = await place.reach(workload.key, WorkloadState.FAILED)
    assert failed.code == "UserScriptImportError"
    assert "no_such_module_here" in str(failed.reason)
    assert not place.serving.instances(workload.key)
    # Kept until it is removed.
    assert await place.log(workload.key, PRINTED, "Traceback")
    await place.end(workload.key)
    assert await place.serving.logs(workload.key, PRINTED, tail=50) == ""


async def test_an_environment_that_cannot_be_built_says_why(place: Place) -> None:
    spec = EnvironmentSpec("3.11", (f"tiny @ {(place.gates / 'nowhere').as_uri()}",))
    workload = await place.deployment(environment=spec)
    await place.serving.ensure(workload)
    failed = await place.reach(workload.key, WorkloadState.FAILED)
    assert failed.code == "ImageBuildFailure"
    assert "tiny" in str(failed.reason)
    assert await place.log(workload.key, PREPARED, "tiny")


async def test_files_that_are_gone_from_the_store_are_named_and_found_once_they_are_back(
    place: Place,
) -> None:
    await place.blobs.write("assets", "models/gone/model.pkl", b"x")
    model = await sealed(place.blobs, "assets", "models/gone")
    await place.blobs.delete("assets", "models/gone/model.pkl")
    workload = await place.deployment(model=model)
    await place.serving.ensure(workload)
    failed = await place.reach(workload.key, WorkloadState.FAILED)
    assert failed.code == "AssetChanged"
    assert "assets/models/gone/model.pkl' is not what was registered: it is gone" in str(
        failed.reason
    )
    await place.blobs.write("assets", "models/gone/model.pkl", b"x")
    await place.serving.ensure(workload)
    await place.reach(workload.key, WorkloadState.READY)


async def test_what_has_failed_is_revived_by_ensure_and_by_nothing_else(place: Place) -> None:
    gate = place.gate()
    script = f"""
    if not {gate.is_open}:
        import no_such_module_here
    def init(): pass
    def run(d): return 1
    """
    workload = await place.deployment(script)
    await place.serving.ensure(workload)
    await place.reach(workload.key, WorkloadState.FAILED)
    gate.open()
    for _ in range(3):
        assert (await place.observe(workload.key)).state is WorkloadState.FAILED
    revived = await place.serving.ensure(workload)
    assert revived.state is not WorkloadState.FAILED
    await place.reach(workload.key, WorkloadState.READY)


async def test_an_instance_that_dies_is_replaced_by_another(place: Place) -> None:
    workload = await place.deployment("import os\ndef init(): pass\ndef run(d): os._exit(9)")
    await place.serve(workload)
    [before] = place.serving.instances(workload.key)
    with pytest.raises(InstanceLost) as lost:
        await place.ask(before)
    assert lost.value.sent, "it may have seen the request"

    def another() -> bool:
        there = place.serving.instances(workload.key)
        return len(there) == 1 and there[0].id != before.id

    await eventually(another, "another in its place")
    assert await place.log(workload.key, PRINTED, "exit status 9")
    with pytest.raises(InstanceLost) as gone:
        await place.ask(before)
    assert not gone.value.sent, "nobody is there any more"


# -- roll-out -------------------------------------------------------------------------


async def test_the_old_revision_serves_until_the_new_one_is_ready(place: Place) -> None:
    gate = place.gate()
    old = await place.deployment(says("old"))
    await place.serve(old)
    before = await ids(place, old.key)
    held = f"import time\ndef init():\n    while not {gate.is_open}: time.sleep(0.01)\n"
    new = await place.workload(
        f"{held}def run(data): return 'new'", key=old.key, revision="2", timeout=old.request_timeout
    )
    seen = await place.serving.ensure(new)
    assert seen.revision == "2"
    assert seen.state is not WorkloadState.READY
    await eventually(partial(serves, place, old.key), "the old one serves")
    assert await ids(place, old.key) == before
    answers: list[tuple[int, object]] = []

    async def ask() -> None:
        while not answers or answers[-1][1] != b'"new"':
            answer = await place.score(old.key)
            answers.append((answer.status, answer.body))

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    await eventually(lambda: answers)
    gate.open()
    await asyncio.gather(*asking)
    assert {status for status, _ in answers} == {200}, "nobody was turned away meanwhile"
    assert {body for _, body in answers} == {b'"old"', b'"new"'}
    ready = await place.reach(old.key, WorkloadState.READY)
    assert ready.revision == "2"
    assert not set(before) & set(await ids(place, old.key))


async def test_a_roll_out_that_fails_leaves_the_old_revision_serving(place: Place) -> None:
    old = await place.deployment(says("old"))
    await place.serve(old)
    before = await ids(place, old.key)
    await place.serving.ensure(await place.workload("nonsense(", key=old.key, revision="2"))
    failed = await place.reach(old.key, WorkloadState.FAILED, revision="2")
    assert failed.reason
    await eventually(partial(serves, place, old.key), "the old one serves")
    assert (await place.score(old.key)).body == b'"old"'
    assert (await place.serve(old)).revision == "1"
    assert await ids(place, old.key) == before, "it never ended"
    assert (await place.score(old.key)).body == b'"old"'


# -- removal --------------------------------------------------------------------------


async def test_removal_lets_requests_in_flight_finish_and_no_others_begin(place: Place) -> None:
    begun, gate = place.gate(), place.gate()
    script = f"""
    import time
    def init(): pass
    def run(d):
        open({str(begun.file)!r}, "w").close()
        while not {gate.is_open}: time.sleep(0.01)
        return 'done'
    """
    workload = await place.deployment(script)
    key = workload.key
    await place.serve(workload)
    asked = asyncio.create_task(place.score(key))
    await eventually(begun.file.exists)
    removed = await place.serving.remove(key, grace=timedelta(seconds=PATIENCE))
    assert not removed
    assert list(place.serving.instances(key)) == []
    assert key in await place.serving.keys(), "until nothing of it is left"
    gate.open()
    answer = await asked
    assert (answer.status, answer.body) == (200, b'"done"')
    await place.end(key, PATIENCE)
    assert key not in await place.serving.keys()
    assert await place.serving.observe(key) is None
    assert await place.serving.logs(key, PRINTED, tail=5) == ""


async def test_removal_without_grace_waits_for_nobody(place: Place) -> None:
    begun, never = place.gate(), place.gate()
    script = f"""
    import time
    def init(): pass
    def run(d):
        open({str(begun.file)!r}, "w").close()
        while not {never.is_open}: time.sleep(0.01)
    """
    workload = await place.deployment(script)
    await place.serve(workload)
    asked = asyncio.create_task(place.score(workload.key))
    await eventually(begun.file.exists)
    await place.end(workload.key)
    with pytest.raises(InstanceLost) as lost:
        await asked
    assert lost.value.sent


async def test_what_was_removed_can_be_asked_for_again(place: Place) -> None:
    workload = await place.deployment(says("here"))
    await place.serve(workload)
    before = await ids(place, workload.key)
    await place.end(workload.key)
    await place.serve(workload)
    assert not set(before) & set(await ids(place, workload.key))
    assert (await place.score(workload.key)).body == b'"here"'


# -- scoring --------------------------------------------------------------------------


async def test_an_answer_that_takes_too_long_is_a_timeout_and_the_instance_lives(
    place: Place,
) -> None:
    gate = place.gate()
    script = f"""
    import time
    def init(): pass
    def run(d):
        while not {gate.is_open}: time.sleep(0.01)
        return 1
    """
    workload = await place.deployment(script)
    await place.serve(workload)
    before = await ids(place, workload.key)
    with pytest.raises(TimeoutError):
        await place.score(workload.key, timeout=0.2)
    gate.open()
    assert (await place.score(workload.key)).status == 200
    assert await ids(place, workload.key) == before


async def test_an_instance_that_is_not_there_saw_nothing(place: Place) -> None:
    with pytest.raises(InstanceLost) as lost:
        await place.ask(Instance("gone", "/nowhere/gone.s"))
    assert not lost.value.sent


async def test_large_bodies_stream_both_ways_unchanged(place: Place) -> None:
    workload = await place.deployment("def init(): pass\ndef run(data): return data")
    await place.serve(workload)

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"data": "'
        for number in range(64):
            yield bytes([97 + number % 26]) * 65536
        yield b'"}'

    answer = await place.score(workload.key, pieces())
    assert answer.status == 200
    assert not isinstance(answer.body, bytes)
    content = b"".join([piece async for piece in answer.body])
    sent = b"".join([piece async for piece in pieces()])
    assert json.loads(content) == sent.decode()
