"""What keeps things, who drives the functions and where models run are three settings."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.ports import (
    EnvironmentSpec,
    InstanceSize,
    Probe,
    Program,
    ScoringRequest,
    ServingWorkload,
)
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
from infra.cloud.monitor.analytics_traffic import AnalyticsTraffic
from infra.cloud.services import CloudServices
from infra.composition.adapters import Adapters, chosen
from infra.compute.choice import Beside, chosen_compute
from infra.compute.identity_lending import NothingLent
from infra.compute.local.serving.local_serving import LocalServing
from infra.compute.local.workers.local_workers import LocalWorkers
from infra.compute.no_compute import REASON, NoServing, NoWorkers
from infra.compute.node_lending import LentElsewhere
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.services import EmbeddedServices
from infra.settings import Settings
from infra.settings.adapters import ComputeSettings
from infra.web.no_traffic_records import NoTrafficRecords
from tests.infra.settings.test_settings import AZURE
from tests.kit.apps.told_compute import ToldCompute
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually
from tests.servers.processes import BlobServer


def read(folder: Path, platform: str, host: str, compute: str) -> Settings:
    environment = AZURE if platform == "azure" else {}
    return Settings.read(
        {
            **environment,
            "ML_ENDPOINTS_PLATFORM": platform,
            "ML_ENDPOINTS_HOST": host,
            "ML_ENDPOINTS_COMPUTE": compute,
            "ML_ENDPOINTS_DATA_DIR": str(folder),
        }
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Adapters]:
    try:
        yield chosen(settings)
    finally:
        if settings.installation.driven_by == "embedded":
            await EmbeddedServices.open(settings).close()
        else:
            await CloudServices.open(settings).close()


@pytest.mark.parametrize(
    ("platform", "host", "compute", "local"),
    [
        ("embedded", "", "", True),
        ("embedded", "", "none", False),
        ("azure", "", "", False),
        ("azure", "", "local", True),
        ("azure", "embedded", "", True),
        ("azure", "embedded", "none", False),
    ],
)
async def test_the_compute_is_a_setting_of_its_own(
    tmp_path: Path, platform: str, host: str, compute: str, local: bool
) -> None:
    async with opened(read(tmp_path, platform, host, compute)) as adapters:
        stores = CosmosResourceStore if platform == "azure" else SqliteResourceStore
        assert isinstance(adapters.store, stores)
        assert isinstance(adapters.serving, LocalServing if local else NoServing)
        assert isinstance(adapters.workers, LocalWorkers if local else NoWorkers)
        assert (adapters.running is not None) is local
        refusals = await adapters.capabilities.refusals(EnvironmentSpec("3.11", ()), None)
        assert refusals == ([] if local else [REASON])


async def test_a_host_without_compute_starts_measures_and_stops(tmp_path: Path) -> None:
    services = EmbeddedServices.open(read(tmp_path, "embedded", "", "none"))
    await services.start()
    told = "".join(figures() for figures in services.figures)
    assert "RequestsPerMinute" in told
    assert "DeploymentCapacity" not in told
    await services.close()
    assert not (tmp_path / "compute").exists()


_APPS = {
    "ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT": (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.App/managedEnvironments/e"
    ),
    "ML_ENDPOINTS_IMAGE_REGISTRY": "https://cr.azurecr.io/ml-endpoints",
}
_CLUSTER = {
    "ML_ENDPOINTS_KUBERNETES_CONFIG": "kubeconfig",
    "ML_ENDPOINTS_IMAGE_REGISTRY": "https://cr.azurecr.io/ml-endpoints",
}
_KUBECONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


@pytest.mark.parametrize(
    ("compute", "more"),
    [("local", {}), ("docker", {}), ("container_apps", _APPS), ("kubernetes", _CLUSTER)],
)
async def test_time_is_counted_wherever_models_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compute: str, more: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kubeconfig").write_text(json.dumps(_KUBECONFIG))
    told = {**AZURE, **more, "ML_ENDPOINTS_COMPUTE": compute}
    settings = Settings.read({**told, "ML_ENDPOINTS_DATA_DIR": str(tmp_path)})
    async with opened(settings) as adapters:
        assert adapters.meter is not None


async def test_scoring_requests_are_read_from_the_workspace_that_is_named(tmp_path: Path) -> None:
    settings = read(tmp_path, "azure", "functions", "none")
    async with opened(settings) as adapters:
        assert isinstance(adapters.traffic, NoTrafficRecords)
    told = {"ML_ENDPOINTS_LOG_WORKSPACE": "0a1b2c3d-0000-4000-8000-00000000000a"}
    settings = Settings.read({**AZURE, **told, "ML_ENDPOINTS_DATA_DIR": str(tmp_path)})
    async with opened(settings) as adapters:
        assert isinstance(adapters.traffic, AnalyticsTraffic)


@pytest.mark.cloud
async def test_models_run_on_this_machine_from_blobs_that_are_elsewhere(
    tmp_path: Path, blob_server: BlobServer
) -> None:
    blobs = AzureBlobStore.from_connection_string(blob_server.new_account())
    store = SqliteResourceStore(tmp_path / "documents.db")
    cipher = FernetCipher(tmp_path / "cipher.key")
    beside = Beside(
        tmp_path, blobs, None, store, cipher, USUAL_PACKAGES, NothingLent(), LentElsewhere()
    )
    settings = ComputeSettings(kind="local")
    compute = chosen_compute(ToldCompute(settings), "functions", beside)
    try:
        script = b"def init(): pass\ndef run(data): return 1"
        await blobs.write("system", "code/score.py", script)
        probe = Probe(initial_delay=0, period=0.2, timeout=PATIENCE, failure_threshold=10_000)
        program = Program(
            environment=EnvironmentSpec("3.11", ()),
            model=None,
            code=await sealed(blobs, "system", "code"),
            scoring_script="score.py",
            environment_variables={},
            size=InstanceSize(1, 2**30),
        )
        key = "online/iris/blue"
        await compute.serving.ensure(
            ServingWorkload(key, "1", program, 1, liveness=probe, readiness=probe)
        )
        [instance] = await eventually(lambda: compute.serving.instances(key))
        headers = [("content-type", "application/json")]
        request = ScoringRequest("POST", "/score", "", headers, b"[1]")
        answer = await compute.scorer.score(instance, request, timeout=PATIENCE)
        assert (answer.status, answer.body) == (200, b"1")
    finally:
        await compute.close()
        await blobs.close()
