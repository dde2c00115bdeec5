"""Patched bases below environments: by a timer, for all hosts by one."""

import asyncio
import logging

from domain.errors import DomainError
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.environment_images import EnvironmentImages
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.registry_calls import RegistryRefusal

_log = logging.getLogger("ml_endpoints.registry")


class ImageRebasing:
    """Looks at every image that was made, each `every` seconds; never where that is 0. What runs
    goes on as it is: instances have the new image from their next start."""

    def __init__(self, images: EnvironmentImages, records: ImageRecords, every: float) -> None:
        self._images = images
        self._records = records
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._every and self._task is None:
            self._task = asyncio.create_task(self._run(), name="patched base images")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> list[str]:
        """The new images."""
        found = []
        for record, _ in await self._records.all():
            if "@" in record.base or record.image is None or not record.layers:
                continue  # it never means anything else, or is nothing that was put on a base
            try:
                image = await self._images.rebased(record)
            except (DomainError, StartFailure, RegistryRefusal) as error:
                _log.warning(
                    "Environment %s stays on its base: %s",
                    record.key,
                    error,
                    extra={"action": "environment_base_kept", "environment": record.key},
                )
                continue
            except Exception:  # a full disk, or one odd image, must not end the looks at the others
                _log.exception("Environment %s cannot be put on its base", record.key)
                continue
            if image is not None:
                found.append(image)
                _log.info(
                    "Environment %s is on its patched base: %s",
                    record.key,
                    image,
                    extra={
                        "action": "environment_rebased",
                        "environment": record.key,
                        "image": image,
                    },
                )
        return found

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.look()
            except DomainError as error:
                _log.warning("Base images could not be looked at: %s", error)
