"""Images that nothing uses go from the registry after a while: what runs, sleeps or works keeps its
own."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from domain.errors import DomainError
from domain.ports import Program
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.programs.program_images import ProgramImages
from infra.compute.registry.registry_calls import RegistryRefusal
from infra.compute.registry.upkeep.image_uses import ImageUses

_log = logging.getLogger("ml_endpoints.registry")

A_DAY: Final = 86_400.0
Images = Callable[[], Awaitable[Iterable[str]]]
Programs = Callable[[], Awaitable[Iterable[Program]]]


class ImagePurging:
    """`running` are the images of all that runs, and `wanted` the programs of all that is deployed
    or at work, asleep or not. Images go that neither has needed for `age` seconds."""

    def __init__(
        self,
        uses: ImageUses,
        images: ProgramImages,
        running: Images,
        wanted: Programs,
        now: Callable[[], float],
        *,
        age: float,
    ) -> None:
        self._uses = uses
        self._images = images
        self._running = running
        self._wanted = wanted
        self._now = now
        self._age = age

    async def look(self) -> list[str]:
        """The images that went; none while it cannot be told what is in use."""
        try:
            needed = set(await self._running())
            for program in await self._wanted():
                needed |= set(await self._images.there(program))
            for image in needed:
                await self._uses.used(image)
            return await self._uses.purge(self._now() - self._age)
        except (DomainError, StartFailure, RegistryRefusal) as error:
            about = {"action": "images_not_purged"}
            _log.warning("Images that nothing uses stay: %s", error, extra=about)
            return []
