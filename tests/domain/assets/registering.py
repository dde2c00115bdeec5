"""Assets, put and looked at."""

from typing import Any

import pytest

from domain.assets.asset import (
    ENVIRONMENTS,
    MODELS,
    AssetKind,
    AssetVersion,
    EnvironmentVersionProperties,
    ModelVersionProperties,
    Saved,
    VersionProperties,
)
from domain.errors import Invalid, NotFound
from domain.ground.resource import Conditions
from tests.kit.stages.asset_stage import AssetStage

ANY = Conditions()


async def put_model(
    stage: AssetStage, version: str, when: Conditions = ANY, /, **said: Any
) -> Saved[AssetVersion]:
    uri = said.pop("model_uri", None) or await stage.upload("iris/model.pkl")
    wanted = ModelVersionProperties(model_uri=uri, **said)
    return await stage.registration.put_version(MODELS, "iris", version, wanted, "me", when)


async def put_environment(
    stage: AssetStage, version: str = "1", **said: Any
) -> Saved[AssetVersion]:
    wanted = EnvironmentVersionProperties(**said)
    return await stage.registration.put_version(ENVIRONMENTS, "env", version, wanted, "me", ANY)


async def refused(stage: AssetStage, kind: AssetKind, wanted: VersionProperties) -> Invalid:
    with pytest.raises(Invalid) as raised:
        await stage.registration.put_version(kind, "asset", "1", wanted, "me", ANY)
    with pytest.raises(NotFound):
        await stage.registration.containers.get(kind, "asset")
    return raised.value
