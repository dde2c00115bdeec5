"""Patched bases below environments."""

import logging
from typing import Final

from domain.errors import DomainError
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.environment_images import EnvironmentImages
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.registry_calls import RegistryRefusal
from infra.compute.registry.upkeep.image_upkeep import Chore

_log = logging.getLogger("ml_endpoints.registry")

_HOUR: Final = 3600.0


class ImageRebasing:
    """Looks at every image that was made. What runs goes on as it is: instances have the new image
    from their next start."""

    def __init__(self, images: EnvironmentImages, records: ImageRecords) -> None:
        self._images = images
        self._records = records

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


def rebasing_chore(images: EnvironmentImages, records: ImageRecords, hours: float) -> Chore:
    return Chore("rebase", hours * _HOUR, ImageRebasing(images, records).look)
