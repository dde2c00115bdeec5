"""Assets, put and looked at."""

from typing import Any

from domain.assets.asset import (
    ENVIRONMENTS,
    MODELS,
    AssetVersion,
    EnvironmentVersionProperties,
    ModelVersionProperties,
    Saved,
)
from domain.ground.resource import Conditions
from tests.kit.stages.asset_stage import AssetStage

ANY = Conditions()


async def put_model(
    stage: AssetStage, version: str, when: Conditions = ANY, /, **said: Any
) -> Saved[AssetVersion]:
    uri = said.pop("model_uri", None) or await stage.upload("iris/model.pkl")
    wanted = ModelVersionProperties(model_uri=uri, **said)
    return await stage.registration.put_version(MODELS, "iris", version, wanted, "me", when)


async def put_environment(stage: AssetStage, **said: Any) -> Saved[AssetVersion]:
    wanted = EnvironmentVersionProperties(**said)
    return await stage.registration.put_version(ENVIRONMENTS, "env", "1", wanted, "me", ANY)
