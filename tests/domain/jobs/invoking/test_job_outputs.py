"""Where a job writes: as the request says, and nowhere that is in use."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from domain.batch.batch_deployment import OutputAction, OutputFormat
from domain.errors import Conflict
from domain.jobs.records.job_request import (
    RequestedOutputFolder,
)
from domain.jobs.records.job_status import JobStatus
from domain.ports import UnitMiniBatch, UnitRequest
from tests.domain.jobs.invoking.invocations import ARM, FILES, SHORT, invoke, writing
from tests.kit.script_workers import Rows, line_counts
from tests.kit.stages.batch_stage import STORE, BatchStage, over


async def test_the_output_goes_where_the_request_says(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        file = (await invoke(stage, writing(f"{ARM}/out/p.csv"))).job
        folder = (await invoke(stage, writing(f"{SHORT}/out2", "UriFolder"))).job
        asked = over("data", output_dataset=RequestedOutputFolder(path="out3/"))
        old = (await invoke(stage, asked)).job
        assert file.output.path == "out/p.csv"
        assert folder.output.path == "out2/predictions.csv"
        assert old.output.path == "out3/predictions.csv"
        await stage.pump()
        assert stage.output(await stage.view(file.name)).startswith(b"input_file")


async def test_an_output_in_use_is_refused(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        first = (await invoke(stage, writing(f"{SHORT}/out/p.csv"))).job
        with pytest.raises(Conflict, match="Another job is to write to"):
            await invoke(stage, writing(f"{SHORT}/out/p.csv"))
        await stage.pump()
        with pytest.raises(Conflict, match="Something is at"):
            await invoke(stage, writing(f"{SHORT}/out/p.csv"))
        await stage.blobs.delete(STORE, first.output.path)
        assert (await invoke(stage, writing(f"{SHORT}/out/p.csv"))).new


async def test_what_somebody_puts_at_the_output_meanwhile_is_left_alone(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        job = (await invoke(stage, writing(f"{SHORT}/out/p.csv"))).job
        await stage.blobs.write(STORE, "out/p.csv", b"mine")
        await stage.pump()
        view = await stage.view(job.name)
        assert view.job.error is not None
        assert view.job.error.code == "OutputDisturbed"
        assert stage.output(view) == b"mine"


async def test_an_output_below_a_file_is_refused(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        for uri, kind in (
            (f"{SHORT}/data/a.txt", "UriFolder"),
            (f"{SHORT}/data/a.txt/deep/p.csv", "UriFile"),
        ):
            with pytest.raises(Conflict, match=r"'workspaceblobstore/data/a\.txt' is a file"):
                await invoke(stage, writing(uri, kind))


@pytest.mark.parametrize("format", OutputFormat)
async def test_a_job_fails_when_a_file_has_come_where_its_output_needs_a_folder(
    tmp_path: Path, format: OutputFormat
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(output_format=format)
        await stage.upload(FILES)
        job = (await invoke(stage, writing(f"{SHORT}/out/deep/p"))).job
        await stage.blobs.write(STORE, "out", b"mine")
        await stage.pump()
        view = await stage.view(job.name)
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.code == "OutputDisturbed"
        assert "Choose another output path, or remove what is in the way" in view.job.error.message
        overview = stage.output(view, f"{job.logs_folder}/job_progress_overview.txt")
        assert b"Nothing can be written to the output's path" in overview


async def test_a_job_ends_though_its_logs_cannot_be_written(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        job = (await invoke(stage, writing(f"{SHORT}/out/p.csv"))).job
        await stage.blobs.write(STORE, job.logs_folder, b"mine")
        await stage.pump()
        assert (await stage.view(job.name)).job.status is JobStatus.COMPLETED


async def test_failed_files_without_a_place_for_their_manifest_fail_the_job(
    tmp_path: Path,
) -> None:
    def fails_on_b(
        request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if "b.txt" in files:
            raise ValueError("no such thing")
        return line_counts(request, mini_batch, files)

    async with BatchStage(tmp_path, script=fails_on_b) as stage:
        await stage.deploy(error_threshold=-1, mini_batch_size=1)
        await stage.upload(FILES)
        job = (await invoke(stage, writing(f"{SHORT}/out/p.csv"))).job
        await stage.blobs.write(STORE, f"{job.results.failures_path}/x", b"mine")
        await stage.pump()
        view = await stage.view(job.name)
        assert view.job.status is JobStatus.FAILED
        assert view.job.error is not None
        assert view.job.error.code == "OutputDisturbed"


async def test_a_folder_for_summaries_must_be_empty(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(output_action=OutputAction.SUMMARY_ONLY)
        await stage.upload(FILES, "out")
        with pytest.raises(Conflict, match=f"Something is at '{STORE}/out'"):
            await invoke(stage, writing(f"{SHORT}/out", "UriFolder"))
