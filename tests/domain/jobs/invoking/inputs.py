"""Inputs of jobs, asked for and as they were planned."""

from typing import Any

import pytest

from domain.errors import Detail, Invalid
from domain.ground.access import trusted
from domain.jobs.batch_jobs import JobView
from domain.jobs.records.job_request import JobProperties, RequestedInput
from domain.jobs.records.job_status import JobStatus
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

ROOT = f"azureml://datastores/{STORE}/paths"


def inputs(**named: str | RequestedInput) -> dict[str, RequestedInput]:
    return {name: folder(each) if isinstance(each, str) else each for name, each in named.items()}


def folder(path: str, **more: Any) -> RequestedInput:
    return RequestedInput(job_input_type="UriFolder", uri=f"{ROOT}/{path}", **more)


def file(uri: str, **more: Any) -> RequestedInput:
    return RequestedInput(job_input_type="UriFile", uri=uri, **more)


async def ended(stage: BatchStage, **asked: Any) -> JobView:
    invoked = await stage.invocation.invoke(ENDPOINT, JobProperties(**asked), caller=trusted("me"))
    await stage.pump()
    return await stage.view(invoked.job.name)


async def faults(stage: BatchStage, **asked: Any) -> list[Detail]:
    with pytest.raises(Invalid) as caught:
        await stage.invocation.invoke(ENDPOINT, JobProperties(**asked), caller=trusted("me"))
    return list(caught.value.details)


def lines(stage: BatchStage, view: JobView) -> list[str]:
    assert view.job.status is JobStatus.COMPLETED, view.job.error
    return stage.output(view).decode().splitlines()[1:]
