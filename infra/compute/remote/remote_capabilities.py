"""What can be said of a wish before a fleet is asked."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from domain.assets.conda import HOST_PYTHON
from domain.errors import Invalid
from domain.ports import (
    Capabilities,
    Capacity,
    EnvironmentBuild,
    EnvironmentSpec,
    InstanceSize,
    IsolationPart,
)
from infra.compute.ground import instance_types

_OLDEST: Final = (3, 9)
PYTRITON: Final = "pytriton"
_PYTRITON_PACKAGES: Final = ("nvidia-pytriton==0.7.0", "numpy<2")


def triton_environment(image: str) -> EnvironmentSpec:
    """An image, or, by the name `pytriton`, the server that PyPI has."""
    if image == PYTRITON:
        return EnvironmentSpec(HOST_PYTHON, _PYTRITON_PACKAGES)
    return EnvironmentSpec("", (), image=image)


class ImageFacts(Protocol):
    """What is known of images, as Capabilities has both."""

    @abstractmethod
    async def pinned(self, image: str) -> str: ...

    @abstractmethod
    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None: ...


class RemoteCapabilities(Capabilities):
    """Any Python that there is a base image of, which shows when it is built; the sizes of
    `instance_types`. A Triton model without an environment runs in `triton`. `isolation` tells
    what the platform keeps scripts apart by."""

    def __init__(
        self,
        images: ImageFacts,
        triton: EnvironmentSpec,
        isolation: Callable[[], Sequence[IsolationPart]],
    ) -> None:
        self._images = images
        self._triton = triton
        self._isolation = isolation

    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        return ()

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        reasons = []
        parts = environment.python.split(".")
        if environment.needs_image and not environment.python:
            pass  # which Python the image has shows when it is built
        elif not 1 < len(parts) <= 3 or not all(part.isdecimal() for part in parts):
            told = f"{environment.python!r} is no Python version; give one such as 3.11."
            reasons.append(told)
        elif (int(parts[0]), int(parts[1])) < _OLDEST:
            reasons.append(f"Python {environment.python} is too old: models run on 3.9 or later.")
        if instance_type is not None and instance_types.find(instance_type) is None:
            reasons.append(instance_types.unknown(instance_type))
        return reasons

    async def pinned(self, image: str) -> str:
        return await self._images.pinned(image)

    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        return await self._images.built(environment)

    def triton(self) -> EnvironmentSpec:
        return self._triton

    def size(self, instance_type: str | None) -> InstanceSize:
        name = instance_types.LOCAL if instance_type is None else instance_type
        row = instance_types.find(name)
        if row is None:
            raise Invalid(instance_types.unknown(name), target="instanceType")
        return InstanceSize(row.cpu, row.memory, whole=row.name == instance_types.LOCAL)

    def sizes(self) -> Mapping[str, InstanceSize]:
        return {name: self.size(name) for name in instance_types.INSTANCE_TYPES}

    def capacities(self) -> Sequence[Capacity]:
        return ()

    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """That shows in the trying."""
        return None

    async def closing_fault(self) -> str | None:
        return None

    def isolation(self) -> Sequence[IsolationPart]:
        return self._isolation()
