"""The platforms that the contract of a fleet is tried on, each where it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.compute.docker.docker_fleet import DockerFleet
from infra.compute.docker.engine import Engine
from infra.compute.docker.engine_room import EngineRoom
from infra.compute.docker.image_builds import ImageBuilds
from infra.compute.docker.network.metadata_guard import MetadataGuard
from infra.compute.docker.network.networks import Networks
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.shelves import NO_SHELVES
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.contract.fleets.apps_platform import apps
from tests.contract.fleets.cluster_platform import cluster
from tests.contract.fleets.platform import Platform
from tests.contract.fleets.real_cluster import real_cluster
from tests.kit.stages.engine_images import engine_images
from tests.servers.engine.dockerd import BASE, VERSION
from tests.servers.engine.given import given_engine


def docker(
    url: str, blobs: FileBlobStore, folder: Path, installation: str, *, closed: bool = False
) -> DockerFleet:
    async def named() -> str:
        return installation

    engine = Engine(url)
    images = engine_images(engine, blobs, BASE, folder)
    room = EngineRoom(LocalLimits(memory_overcommit=1000))
    base = BASE.format(python=VERSION)
    guard = MetadataGuard(engine, ImageBuilds(engine, {}), base, required=True)
    networks = Networks(engine, guard, closed=closed)
    return DockerFleet(
        engine,
        images,
        networks,
        named,
        mounts=(),
        shelves=NO_SHELVES,
        room=room,
        now=time.monotonic,
    )


@contextmanager
def _engine(folder: Path) -> Iterator[Platform]:
    url = given_engine().url
    yield Platform(
        "docker",
        lambda blobs, at, named: docker(url, blobs, at, named),
        lambda blobs, at, named: docker(f"unix://{folder}/nothing", blobs, at, named),
        "No container engine at",
    )


PLATFORMS: Final = {
    "docker": _engine,
    "container_apps": apps,
    "kubernetes": cluster,
    "real_cluster": real_cluster,
}
