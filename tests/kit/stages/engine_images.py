"""Images that an engine builds, for fleets of tests."""

import shutil
import sys
import time
from pathlib import Path

from domain.ports import BlobStore
from infra.compute.docker.engine import Engine
from infra.compute.docker.engine_environments import EngineEnvironments
from infra.compute.docker.image_builds import ImageBuilds
from infra.compute.docker.images import Images
from infra.compute.ground.fetched_files import Assets
from infra.compute.local.premises import RUNTIME
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.programs.making import BaseImage
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

UV = shutil.which("uv", path=Path(sys.executable).parent) or "uv"


def engine_images(engine: Engine, blobs: BlobStore, base: str, folder: Path) -> Images:
    assets = Assets(folder / "files", blobs)
    records = ImageRecords(MemoryResourceStore(time.time), blobs)
    builds = ImageBuilds(engine, {})
    environments = EngineEnvironments(
        builds, BaseImage(base), assets, records, runtime=RUNTIME, uv=UV, packages=USUAL_PACKAGES
    )
    return Images(engine, builds, environments, assets)
