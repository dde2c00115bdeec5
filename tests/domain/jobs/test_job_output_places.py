"""What jobs have written, registered as assets."""

from pathlib import Path

import pytest

from domain.assets.asset import DATA, MODELS, DataVersionProperties, ModelVersionProperties
from domain.errors import Invalid
from domain.ground.resource import Conditions
from tests.kit.stages.batch_stage import STORE, BatchStage

FILES = {"a.txt": "1\n"}


async def test_the_output_of_a_job_becomes_a_model_and_data(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump()
        job = (await stage.view(name)).job
        registration = stage.application.assets.registration
        uri = f"azureml://jobs/{name}/outputs/score/paths/"
        model = ModelVersionProperties(model_uri=uri)
        await registration.put_version(MODELS, "made", "1", model, "me", Conditions())
        found = (await registration.model("made:1")).folder
        assert (found.container, found.path) == (STORE, job.results.path)
        uri = f"azureml://jobs/{name}/outputs/logs"
        data = DataVersionProperties(data_uri=uri)
        await registration.put_version(DATA, "told", "1", data, "me", Conditions())
        folder = (await registration.data("told:1")).folder
        assert folder is not None
        assert folder.path == job.logs_folder


async def test_an_output_that_a_job_has_not_is_refused_with_those_it_has(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        name = await stage.invoke()
        uri = f"azureml://jobs/{name}/outputs/other/paths/"
        with pytest.raises(Invalid, match="it has score, logs"):
            await stage.application.assets.registration.put_version(
                MODELS, "made", "1", ModelVersionProperties(model_uri=uri), "me", Conditions()
            )
