"""Images that others are made of, wherever they are."""

from typing import Final

from domain.assets.images.image_name import HUB, ImageName
from domain.errors import Invalid, Unavailable
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.image_appending import Pulled
from infra.compute.registry.image_manifest import ImageConfig, NotAnImage, Platform
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls, RegistryRefusal

_HUBS_API: Final = "https://registry-1.docker.io"


class ImageSources:
    """Our own registry is opened as the settings say, any other as it opens itself to everybody,
    and with TLS alone."""

    def __init__(self, own: Registry, platform: Platform) -> None:
        self._own = own
        self._platform = platform
        self._others: dict[str, Registry] = {}

    async def close(self) -> None:
        for registry in (self._own, *self._others.values()):
            await registry.close()

    async def digest(self, name: str) -> str | None:
        """What the name means now; None where there is no such image. Raises Invalid for what is
        no name, Unavailable, and StartFailure where it may not be asked for."""
        meant = ImageName.parse(name)
        try:
            return await self._of(meant.registry).digest(meant.repository, meant.reference)
        except RegistryRefusal as refusal:
            raise StartFailure(
                "ImageBuildFailure", f"The image {name} cannot be used: {refusal.message}"
            ) from None

    async def pulled(self, name: str) -> Pulled:
        """Raises StartFailure where there is no such image, or none for our platform, and
        Unavailable."""
        try:
            meant = ImageName.parse(name)
            registry = self._of(meant.registry)
            found = await registry.manifest(meant.repository, meant.reference, self._platform)
            if found is None:
                told = f"There is no image {name}: the registry {registry.host} knows none."
                raise StartFailure("ImageBuildFailure", told)
            text = await registry.small_blob(meant.repository, found.manifest.config)
            config = ImageConfig.read(text)
            if config.platform != self._platform:
                there, ours = config.platform, self._platform
                raise NotAnImage(
                    f"it is for {there.os}/{there.architecture}, and models run on "
                    f"{ours.os}/{ours.architecture}"
                )
            return Pulled(registry, meant.repository, found.manifest, found.digest, config)
        except Invalid as error:
            raise StartFailure("ImageBuildFailure", error.message) from None
        except (RegistryRefusal, NotAnImage) as error:
            told = f"The image {name} cannot be used: {error}"
            raise StartFailure("ImageBuildFailure", told) from None

    def _of(self, host: str) -> Registry:
        if host == self._own.host:
            return self._own
        if not host:
            raise Unavailable("An image that only an engine has is in no registry.")
        if host not in self._others:
            url = _HUBS_API if host == HUB else f"https://{host}"
            self._others[host] = Registry(RegistryCalls(url, None))
        return self._others[host]
