"""What names of images mean, as the engine can tell."""

import logging
from typing import Final

from domain.assets.images.image_name import ImageName
from domain.errors import Invalid, Unavailable
from infra.compute.docker.engine import Engine, EngineRefusal

_log = logging.getLogger(__name__)

_LOOK: Final = ("not found", "manifest unknown", "denied", "unauthorized")
"""How engines say that a registry has no such image, or does not show it."""


class ImagePinning:
    """Asks the registry by the engine, which knows how to; what only the engine has is pinned by
    its id there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def pinned(self, image: str) -> str:
        """As Capabilities has it."""
        name = ImageName.parse(image)
        if name.digest is not None:
            return image
        try:
            told = await self._engine.find(f"distribution/{image}/json")
        except (EngineRefusal, Unavailable) as error:
            told, why = None, str(error)
        else:
            why = "no registry has it"
        if told is not None:
            return name.at(str(told["Descriptor"]["digest"]))
        try:
            there = await self._engine.find(f"images/{image}/json")
        except (EngineRefusal, Unavailable):
            there = None
        if there is not None:
            return str(there["Id"])
        if any(each in why for each in _LOOK) or why == "no registry has it":
            raise Invalid(f"There is no image '{image}' that can be pulled: {why}.")
        _log.warning("What %s means shows when it is pulled: %s", image, why)
        return image
