"""Requests for jobs, and what is refused of them."""

from typing import Any

from domain.ground.access import trusted
from domain.jobs.invoking.job_invocation import Invoked
from domain.jobs.records.job_request import (
    JobProperties,
    RequestedOutput,
)
from tests.kit.composed import SCOPE
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage, over

FILES = {"a.txt": "1\n", "b.txt": "2\n"}


SHORT = f"azureml://datastores/{STORE}/paths"


ARM = f"{SCOPE.id}/datastores/{STORE}/paths"


async def invoke(stage: BatchStage, asked: JobProperties, **named: Any) -> Invoked:
    return await stage.invocation.invoke(ENDPOINT, asked, caller=trusted("me"), **named)


def writing(uri: str, kind: str = "UriFile", **more: Any) -> JobProperties:
    return over(
        "data", output_data={"score": RequestedOutput(job_output_type=kind, uri=uri)}, **more
    )
