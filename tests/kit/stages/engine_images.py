"""Images that an engine builds, for fleets of tests."""

import shutil
import sys
from pathlib import Path

from domain.ports import BlobStore
from infra.compute.docker.engine import Engine
from infra.compute.docker.engine_environments import BaseImage, EngineEnvironments
from infra.compute.docker.images import Images
from infra.compute.ground.fetched_files import Assets
from infra.compute.local.premises import RUNTIME
from tests.kit.packages.usual import USUAL_PACKAGES

UV = shutil.which("uv", path=Path(sys.executable).parent) or "uv"


def engine_images(engine: Engine, blobs: BlobStore, base: str, folder: Path) -> Images:
    assets = Assets(folder / "files", blobs)
    environments = EngineEnvironments(
        engine, BaseImage(base), assets, runtime=RUNTIME, uv=UV, packages=USUAL_PACKAGES
    )
    return Images(engine, environments, assets)
