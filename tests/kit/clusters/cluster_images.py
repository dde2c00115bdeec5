"""What pods of a test's cluster start from: a registry of the test's own, with the base image."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.ports import BlobStore
from infra.compute.local.premises import RUNTIME
from infra.compute.registry.dockerfiles.built_dockerfiles import DockerfileRuns
from infra.compute.registry.programs.making import BaseImage, Making, RegistryPlace
from infra.compute.registry.programs.node_images import ChosenImages
from infra.compute.registry.programs.registry_images import registry_images
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.registry_shelf import HERE, UV, VERSION, packed, put_image
from tests.servers.engine.base_image import write_base
from tests.servers.registry.docker_registry import DockerRegistry
from tests.servers.registry.given import given_registry
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

_BASE = "ml-endpoints-test-base"


@dataclass(frozen=True)
class BaseRegistry:
    """`base` names the image as the setting of the base image has it."""

    registry: DockerRegistry

    @property
    def url(self) -> str:
        return f"{self.registry.url}/ours"

    @property
    def base(self) -> str:
        return f"{self.registry.host}/{_BASE}:{{python}}"

    def images(
        self, blobs: BlobStore, folder: Path, runs: DockerfileRuns | None = None
    ) -> ChosenImages:
        """Of one host, below `folder`."""
        place = RegistryPlace(self.url, None, 0, patience=0)
        store = MemoryResourceStore(time.time)
        base = BaseImage(self.base)
        making = Making(blobs, store, base, folder, RUNTIME, UV, USUAL_PACKAGES)
        return registry_images(place, making, HERE, runs)


@contextmanager
def base_registry(folder: Path) -> Iterator[BaseRegistry]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "base.tar").open("wb") as file:
        write_base(file, compiled=True)
    with given_registry(folder / "registry") as registry:
        asyncio.run(_filled(registry.url, folder / "base.tar"))
        yield BaseRegistry(registry)


async def _filled(url: str, base: Path) -> None:
    registry = Registry(RegistryCalls(url, None))
    await put_image(registry, _BASE, VERSION, *packed(base))
    await registry.close()
