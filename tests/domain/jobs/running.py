"""A job over six files, run to its end."""

from collections.abc import Mapping
from typing import Any

from domain.jobs.batch_jobs import JobView
from tests.kit.stages.batch_stage import BatchStage

FILES = {f"{i}.txt": f"{i}\n" for i in range(6)}
HEADER = "input_file,input_row,line,length"


async def run(stage: BatchStage, files: Mapping[str, str] = FILES, **overrides: Any) -> JobView:
    await stage.upload(files)
    name = await stage.invoke(**overrides)
    await stage.pump()
    return await stage.view(name)
