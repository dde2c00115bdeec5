"""What is known of images, as the engine can tell."""

import logging
from typing import Final

from domain.assets.images.image_name import ImageName
from domain.errors import Invalid, Unavailable
from domain.ports import EnvironmentBuild, EnvironmentSpec
from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.engine_environments import EngineEnvironments
from infra.compute.remote.remote_capabilities import ImageFacts

_log = logging.getLogger(__name__)

_NOWHERE: Final = "no registry has it"
_ABSENT: Final = (_NOWHERE, "not found", "manifest unknown", "denied", "unauthorized")
"""How engines say that a registry has no such image, or does not show it."""


class EngineFacts(ImageFacts):
    """Asks registries by the engine, which knows how to; what only the engine has is pinned by its
    id there."""

    def __init__(self, engine: Engine, environments: EngineEnvironments) -> None:
        self._engine = engine
        self._environments = environments

    async def pinned(self, image: str) -> str:
        name = ImageName.parse(image)
        if name.digest is not None:
            return image
        told, why = None, _NOWHERE
        try:
            told = await self._engine.find(f"distribution/{image}/json")
        except (EngineRefusal, Unavailable) as error:
            why = str(error)
        if told is not None:
            return name.at(str(told["Descriptor"]["digest"]))
        try:
            there = await self._engine.find(f"images/{image}/json")
        except (EngineRefusal, Unavailable):
            there = None
        if there is not None:
            return str(there["Id"])
        if any(each in why for each in _ABSENT):
            raise Invalid(f"There is no image '{image}' that can be pulled: {why}.")
        _log.warning("What %s means shows when it is pulled: %s", image, why)
        return image

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return await self._environments.built(environment)
