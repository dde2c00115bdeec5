"""What a caller who is limited to one endpoint may have its jobs read and write."""

from pathlib import Path
from typing import Any

import pytest

from domain.errors import Detail, Forbidden
from domain.jobs.records.job_request import JobProperties, RequestedOutput
from domain.jobs.records.job_status import JobStatus
from domain.ports import Principal
from tests.domain.jobs.invoking.inputs import ROOT, file, folder, inputs
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

STORE_READER = "reader/datastores/workspaceblobstore"
LIMITED = f"contributor/batchEndpoints/{ENDPOINT}"


def caller(*roles: str) -> Principal:
    return Principal("somebody", frozenset({LIMITED, *roles}))


async def missing(stage: BatchStage, *roles: str, **asked: Any) -> list[Detail]:
    with pytest.raises(Forbidden) as caught:
        await stage.invocation.invoke(ENDPOINT, JobProperties(**asked), caller=caller(*roles))
    return list(caught.value.details)


async def test_registered_data_and_files_of_the_store_need_the_right_to_read_them(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        upload = stage.blobs.url("azureml-7f3c", "score.py")
        found = inputs(a=file("azureml:secret:1"), b=folder("in"), c=file(upload))
        told = await missing(stage, input_data=found)
    assert [each.target for each in told] == [f"properties.inputData.{n}.uri" for n in "abc"]
    assert "data/versions/read" in told[0].message
    assert "reader/datastores/workspaceblobstore" in told[1].message
    assert "uploads/azureml-7f3c" in told[2].message


async def test_a_place_of_the_store_is_written_to_by_whom_may_write_there(tmp_path: Path) -> None:
    output = RequestedOutput(job_output_type="UriFile", uri=f"{ROOT}/models/m/weights.csv")
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        asked = {"input_data": inputs(a="in"), "output_data": {"score": output}}
        [told] = await missing(stage, STORE_READER, **asked)
    assert told.target == "properties.outputData.score.uri"
    assert "datastores/listSecrets/action" in told.message


async def test_with_the_right_to_read_it_the_job_runs(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "1\n"}, "in")
        asked = JobProperties(input_data=inputs(a="in"))
        invoked = await stage.invocation.invoke(ENDPOINT, asked, caller=caller(STORE_READER))
        await stage.pump()
        view = await stage.view(invoked.job.name)
        assert (view.job.status, view.job.created_by) == (JobStatus.COMPLETED, "somebody")
