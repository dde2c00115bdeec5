"""What tests of assets, datastores and computes stand on: the embedded adapters in a folder."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from domain.assets import asset
from domain.assets.asset_admission import AssetAdmission
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import Datastores
from domain.assets.releasing.asset_releasing import AssetReleasing
from domain.assets.using.asset_use import AssetUse
from domain.computes.compute_targets import ComputeTargets
from domain.ground.resource import Conditions
from domain.identities.identity_holding import IdentityHolding
from domain.identities.identity_store import IdentityStore
from domain.jobs.job_output_places import JobOutputPlaces
from domain.jobs.records.job_store import JobStore
from domain.ports import BlobStore, Capabilities
from infra.composition.assets import USERS
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.clocks import BusyClock
from tests.kit.composed import SCOPE, ToldRoom
from tests.kit.computes import ToldCompute
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.isolation import TOGETHER, cells

BASE_URL = "https://example.test:7443"
CONDA = "dependencies: [python, {pip: [joblib]}]"


@dataclass(frozen=True)
class AssetStage:
    store: SqliteResourceStore
    blobs: FileBlobStore
    compute: LocalCompute
    registration: AssetRegistration
    datastores: Datastores
    computes: ComputeTargets
    attached: ComputeTargets
    """Of a host whose cluster has the namespaces `models` and `other`."""

    async def upload(self, name: str, content: bytes = b"x") -> str:
        """Put a blob into the default datastore; its `azureml://` URI."""
        await self.blobs.write("workspaceblobstore", name, content)
        return f"azureml://datastores/workspaceblobstore/paths/{name}"


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[AssetStage]:
    store = SqliteResourceStore(folder / "documents.db")
    blobs = FileBlobStore(folder, base_url=BASE_URL, key=b"k" * 32)
    uv = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
    compute = LocalCompute(
        folder,
        blobs,
        OutputsInPlace(folder),
        uv=uv,
        packages=USUAL_PACKAGES,
        isolation=cells(TOGETHER, folder),
        limits=LocalLimits(),
    )
    clock = BusyClock(1.0)
    use = AssetUse(store, blobs, SCOPE, USERS)
    releasing = AssetReleasing(store, blobs, clock, use)
    holding = IdentityHolding(IdentityStore(store), clock, SCOPE, "here", elsewhere=None)
    attaching = ToldCompute()
    attaching.attachable = {"models", "other"}

    def computes(capabilities: Capabilities) -> ComputeTargets:
        idle = timedelta(minutes=2)
        return ComputeTargets(
            store, capabilities, clock, SCOPE, holding, in_use=use.of, idle_time=idle
        )

    yield AssetStage(
        store,
        blobs,
        compute,
        AssetRegistration(
            store,
            blobs,
            clock,
            SCOPE,
            admission=AssetAdmission(
                blobs, compute.capabilities, SCOPE, JobOutputPlaces(JobStore(store))
            ),
            in_use=use.of,
            releasing=releasing,
            room=ToldRoom(),
        ),
        Datastores(blobs),
        computes(compute.capabilities),
        computes(attaching),
    )
    await compute.close()
    await blobs.close()
    await store.close()


async def register_assets(registration: AssetRegistration, blobs: BlobStore) -> None:
    """Model m:1, code c:1 with score.py, environment e:1."""
    for name in ("model.bin", "src/score.py"):
        await blobs.write("workspaceblobstore", name, b"x")
    at = "azureml://datastores/workspaceblobstore/paths"
    wanted: list[tuple[asset.AssetKind, str, asset.VersionProperties]] = [
        (asset.MODELS, "m", asset.ModelVersionProperties(model_uri=f"{at}/model.bin")),
        (asset.CODES, "c", asset.CodeVersionProperties(code_uri=f"{at}/src")),
        (asset.ENVIRONMENTS, "e", asset.EnvironmentVersionProperties(conda_file=CONDA)),
    ]
    for kind, name, properties in wanted:
        await registration.put_version(kind, name, "1", properties, "a test", Conditions())
