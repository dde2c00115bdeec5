"""From a request to a job: what is understood, what is refused, and that asking twice is
asking once."""

import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from domain.batch.batch_deployment import BatchDeployment
from domain.errors import Conflict, Detail, Invalid, NotFound, StorageFull
from domain.jobs.batch_jobs import JobChoice
from domain.jobs.invoking.job_invocation import Invoked
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import InputKind
from domain.jobs.records.job_request import (
    JobProperties,
    RequestedCompute,
    RequestedDataset,
    RequestedInput,
    RequestedOutput,
)
from domain.jobs.records.job_status import JobStatus
from domain.names import PROVIDER
from tests.domain.jobs.invoking.invocations import ARM, FILES, SHORT, invoke, writing
from tests.kit.composed import SCOPE
from tests.kit.mischief import Crash
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage, over

LONG = (
    f"azureml://subscriptions/{SCOPE.subscription}/resourcegroups/{SCOPE.resource_group}"
    f"/workspaces/{SCOPE.workspace}/datastores/{STORE}/paths"
)


def reading(uri: str | None, kind: str = "UriFolder", **more: Any) -> JobProperties:
    return JobProperties(input_data={"data": RequestedInput(job_input_type=kind, uri=uri)}, **more)


async def faults(stage: BatchStage, asked: JobProperties) -> list[Detail]:
    with pytest.raises(Invalid) as caught:
        await invoke(stage, asked)
    return list(caught.value.details)


@pytest.mark.parametrize("root", [SHORT, ARM, LONG, f"azureml:{ARM}"])
async def test_a_folder_is_found_by_every_form_of_its_uri(tmp_path: Path, root: str) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        job = (await invoke(stage, reading(f"{root}/data/"))).job
        assert (job.inputs[0].kind, job.inputs[0].container, job.inputs[0].path) == (
            InputKind.FOLDER,
            STORE,
            "data",
        )


async def test_a_single_file_and_a_url_of_the_blob_store_are_read(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        url = stage.blobs.url(STORE, "data/a.txt") + "?sig=x"
        job = (await invoke(stage, reading(url, "uri_file"))).job
        await stage.pump()
        view = await stage.view(job.name)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view).decode().splitlines()[1:] == ["a.txt,0,1,1"]


async def test_a_folder_named_as_a_file_fails_with_advice(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        job = (await invoke(stage, reading(f"{SHORT}/data", "UriFile"))).job
        await stage.pump()
        error = (await stage.view(job.name)).job.error
        assert error is not None
        assert "jobInputType UriFolder" in error.message


@pytest.mark.parametrize(
    ("path", "advice"), [("data/a.txt", "jobInputType UriFile"), ("data/*.txt", "by include")]
)
async def test_what_is_no_folder_fails_with_advice(tmp_path: Path, path: str, advice: str) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        job = (await invoke(stage, reading(f"{SHORT}/{path}"))).job
        await stage.pump()
        view = await stage.view(job.name)
        error = view.job.error
        assert error is not None
        assert error.code == "InputNotFound"
        assert advice in error.message
        assert advice.encode() in stage.output(view, f"{job.logs_folder}/user/error.txt")


async def test_a_folder_takes_no_files_of_one_whose_name_begins_alike(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES, "data")
        await stage.upload(FILES, "data2")
        await stage.upload({"deep/er/c.txt": "3\n"}, "data")
        name = await stage.invoke("data")
        await stage.pump()
        view = await stage.view(name)
        assert view.job.plan is not None
        assert view.job.plan.files == 3
        assert b"deep/er/c.txt" in stage.output(view)


async def test_the_body_of_2021_is_understood(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        dataset = RequestedDataset(data_input_type="DataUrl", path=f"{SHORT}/data")
        job = (await invoke(stage, JobProperties(dataset=dataset))).job
        assert (job.inputs[0].kind, job.inputs[0].path) == (InputKind.FOLDER, "data")


async def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        found = await faults(
            stage,
            JobProperties(
                name="not a name",
                input_data={"data": RequestedInput(job_input_type="Literal", value=1)},
                output_data={"score": RequestedOutput(uri="https://elsewhere.test/x")},
                output_file_name="../p.csv",
            ),
        )
        assert {f.target for f in found} == {
            "properties.name",
            "properties.inputData.data.jobInputType",
            "properties.inputData.data.uri",
            "properties.outputFileName",
            "properties.outputData.score.uri",
        }


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (reading("1", "Literal"), "literal inputs are for pipelines"),
        (reading("https://elsewhere.test/data"), "HTTP, which has no listing"),
        (reading("ftp://elsewhere.test/data"), "not in this installation's blob store"),
        (reading("azureml://datastores/other/paths/x"), "no datastore 'other'"),
        (reading(f"{SHORT}/../x"), "'..'"),
        (reading(f"{SHORT.replace(STORE, 'system')}/x"), "no datastore 'system'"),
        (reading("azureml:nothing:1"), "was not found"),
        (
            reading("azureml://locations/here/workspaces/w/data/d/versions/1"),
            "A data asset is named azureml:<name>:<version>",
        ),
        (reading(None), "needs a uri"),
        (JobProperties(), "1 to 100 inputs; 0 were given"),
        (writing("azureml://datastores/other/paths/x"), "no datastore 'other'"),
        (writing(f"{SHORT}/"), "a path below the datastore"),
        (writing(f"{SHORT}/x", "Table"), "not an output type"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_reason(
    tmp_path: Path, asked: JobProperties, why: str
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        assert any(why in f.message for f in await faults(stage, asked))


async def test_results_cannot_go_into_the_inbox(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        url = stage.blobs.url("batch-inbox", f"{ENDPOINT}/out.csv")
        [fault] = await faults(stage, writing(url))
        assert "taken for new input" in fault.message


async def test_overrides_replace_the_deployments_settings(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(environment_variables={"A": "1", "B": "2"}, mini_batch_size=7)
        job = (
            await invoke(
                stage,
                over(
                    "data",
                    compute=RequestedCompute(instance_count=4),
                    max_concurrency_per_instance=2,
                    error_threshold=3,
                    output_file_name="p.csv",
                    environment_variables={"B": "3"},
                    properties={"experimentName": "spring"},
                ),
            )
        ).job
        settings = job.settings
        assert job.workers == 8
        assert (settings.mini_batch_size, settings.error_threshold) == (7, 3)
        assert settings.environment_variables == {"A": "1", "B": "3"}
        assert job.output.path == f"azureml/{job.name}/score/p.csv"
        assert job.experiment_name == "spring"


def test_an_environment_variable_that_no_process_can_have_is_refused() -> None:
    for variables in ({"A=B": "x"}, {"A": "x\x00"}, {"": "x"}):
        with pytest.raises(ValidationError):
            JobProperties(environment_variables=variables)


async def test_the_same_key_and_request_give_the_same_job(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        first = await invoke(stage, over("data"), key="k")
        second = await invoke(stage, over("data"), key="k")
        assert first.new
        assert not second.new
        assert first.job.name == second.job.name
        with pytest.raises(Conflict, match="another request before"):
            await invoke(stage, over("data", mini_batch_size=3), key="k")
        await stage.pump()
        assert (await invoke(stage, over("data"), key="k")).job.name == first.job.name
        assert (await invoke(stage, over("data"), key="other")).new


@pytest.mark.parametrize("known", [False, True])
async def test_a_key_that_comes_twice_at_a_time_gives_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The second request overtakes the first while that is looked at; with `known` the host
    had ended before the job of a first one was saved."""
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        asked = over("data", name=None if known else "mine")

        async def end(name: str, *args: Any) -> None:
            if name == "transact" and any(write.id == batch_job.DOCUMENT_ID for write in args[1]):
                raise Crash

        if known:
            stage.mischief.before = end
            with pytest.raises(Crash):
                await invoke(stage, asked, key="k")
            stage.mischief.before = None
        looking = stage.invocation.deployment
        overtaking: list[Invoked] = []

        async def overtaken(*named: Any) -> BatchDeployment:
            if not overtaking:
                monkeypatch.undo()
                overtaking.append(await invoke(stage, asked, key="k"))
            return await looking(*named)

        monkeypatch.setattr(stage.invocation, "deployment", overtaken)
        first = await invoke(stage, asked, key="k")
        assert [first.new, overtaking[0].new] == [False, True]
        assert first.job.name == overtaking[0].job.name
        with pytest.raises(Conflict, match="There is a job"):
            await invoke(stage, over("data", name=first.job.name), key="other")


async def test_what_the_same_request_has_written_meanwhile_is_not_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes a second time while the first is slow, and its job is over before the first looks
    at where the output is to go."""
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        asked = writing(f"{SHORT}/out/p.csv")
        looking = stage.invocation.deployment
        overtaking: list[Invoked] = []

        async def overtaken(*named: Any) -> BatchDeployment:
            if not overtaking:
                monkeypatch.undo()
                overtaking.append(await invoke(stage, asked, key="k"))
                await stage.pump()
            return await looking(*named)

        monkeypatch.setattr(stage.invocation, "deployment", overtaken)
        first = await invoke(stage, asked, key="k")
        assert (first.new, first.job.name) == (False, overtaking[0].job.name)
        assert first.job.status is JobStatus.COMPLETED
        with pytest.raises(Conflict, match="Something is at"):
            await invoke(stage, asked, key="other")


@pytest.mark.parametrize("seed", range(8))
async def test_a_key_gives_one_job_wherever_the_host_ends(tmp_path: Path, seed: int) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        stage.mischief.rng = random.Random(seed)
        stage.mischief.crash, stage.mischief.crashes_left = 0.15, 4
        found = None
        while found is None:
            try:
                found = await invoke(stage, writing(f"{SHORT}/out/p.csv"), key="k")
            except Crash:
                await stage.crash()
        stage.mischief.crashes_left = 0
        await stage.pump()
        [one], _ = await stage.jobs.list(10, None, JobChoice())
        assert one.job.name == found.job.name
        assert one.job.status is JobStatus.COMPLETED


async def test_a_bad_request_does_not_use_up_its_key(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        with pytest.raises(Invalid):
            await invoke(stage, JobProperties(), key="k")
        assert (await invoke(stage, over("data"), key="k")).new


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await invoke(stage, over("data", name="mine"))
        with pytest.raises(Conflict, match="There is a job 'MINE' already"):
            await invoke(stage, over("data", name="MINE"), key="k")
        assert (await invoke(stage, over("data", name="other"), key="k2")).new


async def test_a_deployment_can_be_named_and_must_be_there(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        assert (await invoke(stage, over("data"), deployment="BLUE")).job.deployment == "blue"
        with pytest.raises(NotFound):
            await invoke(stage, over("data"), deployment="green")
        await stage.put_endpoint(None)
        await stage.pump()
        with pytest.raises(Invalid, match="No valid deployments to route to"):
            await invoke(stage, over("data"))


async def test_jobs_of_an_endpoint_are_listed_by_pages(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        for i in range(3):
            await invoke(stage, over("data", name=f"job-{i}"))
        first, continuation = await stage.jobs.list(2, None, JobChoice(ENDPOINT.upper()))
        rest, end = await stage.jobs.list(2, continuation, JobChoice(ENDPOINT.upper()))
        assert [v.job.name for v in (*first, *rest)] == ["job-0", "job-1", "job-2"]
        assert end is None
        assert (await stage.jobs.list(2, None, JobChoice("other")))[0] == []
        assert stage.jobs.arm_id("job-0").endswith(f"{PROVIDER}/workspaces/workspace/jobs/job-0")


async def test_while_there_is_no_room_no_job_is_begun_and_who_asked_before_is_told_of_it(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.blobs.write(STORE, "data/a", b"a")
        asked = reading(f"{SHORT}/data/")
        begun = await invoke(stage, asked, key="k")
        stage.room.is_full = True
        with pytest.raises(StorageFull, match="make some"):
            await invoke(stage, asked)
        assert (await invoke(stage, asked, key="k")).job == begun.job
        await stage.pump()
        assert (await stage.jobs.get(begun.job.name)).job.status is JobStatus.COMPLETED
        stage.room.is_full = False
        assert (await invoke(stage, asked)).new
