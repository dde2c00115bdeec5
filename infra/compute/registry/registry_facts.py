"""What is known of images, as their registries can tell."""

from domain.assets.images.image_name import ImageName
from domain.errors import Invalid, Unavailable
from domain.ports import EnvironmentBuild, EnvironmentSpec
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.environment_images import EnvironmentImages
from infra.compute.registry.image_sources import ImageSources
from infra.compute.remote.remote_capabilities import ImageFacts


class RegistryFacts(ImageFacts):
    """A registry that cannot be asked just now is asked when the image is needed."""

    def __init__(self, sources: ImageSources, images: EnvironmentImages) -> None:
        self._sources = sources
        self._images = images

    async def pinned(self, image: str) -> str:
        name = ImageName.parse(image)
        if name.digest is not None:
            return image
        try:
            digest = await self._sources.digest(image)
        except StartFailure as failure:
            raise Invalid(failure.reason) from None
        except Unavailable:
            return image
        if digest is None:
            raise Invalid(f"There is no image '{image}': its registry knows none of that name.")
        return name.at(digest)

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return await self._images.built(environment)
