"""Azure's storage client at a running host: uploads for assets, drops for the inbox."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE

MIB = 1024 * 1024


@pytest.fixture(scope="module", params=["TLS", "plain HTTP"])
def host(
    fleet: Fleet, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    arguments = ("--port", "0", *(["--http"] if request.param == "plain HTTP" else []))
    patient = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": "3600"}
    data = tmp_path_factory.mktemp("host") / "data"
    with fleet.hosting(data, *arguments, environment=patient) as host:
        yield host
        faults = host.faults()
    assert not faults, f"the host logged errors: {faults}"


@pytest.fixture
def trusted(host: RunningHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user of Azure's tools has them trust the host's CA."""
    if host.connection["ca_file"]:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", host.connection["ca_file"])


@pytest.fixture
def datastore(host: RunningHost, trusted: None) -> Iterator["Opened"]:
    opened = Opened(host)
    yield opened
    opened.close()


class Opened:
    """Clients of datastores' containers, found as Azure's tools find them."""

    def __init__(self, host: RunningHost) -> None:
        self._workspace = host.workspace
        self._clients: list[ContainerClient] = []

    def __call__(self, name: str, **options: Any) -> ContainerClient:
        told = self._workspace.get(f"datastores/{name}")["properties"]
        secrets = self._workspace.call("POST", f"datastores/{name}/listSecrets").json()
        address = f"{told['protocol']}://{told['endpoint']}/{told['containerName']}"
        client = ContainerClient.from_container_url(
            f"{address}?{secrets['sasToken']}",
            retry_total=0,
            connection_timeout=PATIENCE,
            read_timeout=PATIENCE,
            **options,
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()


def test_a_codes_files_go_to_where_the_workspace_says(host: RunningHost, trusted: None) -> None:
    version = "codes/scorer/versions/1"
    started = host.workspace.call(
        "POST",
        f"{version}/startPendingUpload",
        {"pendingUploadType": "TemporaryBlobReference"},
    ).json()["blobReferenceForConsumption"]
    with ContainerClient.from_container_url(started["credential"]["sasUri"]) as client:
        assert client.exists()
        assert list(client.list_blobs(name_starts_with="src")) == []
        for name in ("src/score.py", "src/lib/a b+c%.py"):
            client.upload_blob(name, b"def run(): ...\n", overwrite=True)
        blob = client.get_blob_client("src/score.py")
        blob.set_blob_metadata({"name": "scorer", "version": "1"})
        found = {one.name: one.metadata for one in client.list_blobs(include="metadata")}
    assert found["src/score.py"] == {"name": "scorer", "version": "1"}
    uri = f"{started['blobUri']}/src"
    host.workspace.call("PUT", version, {"properties": {"codeUri": uri}})
    assert host.workspace.get(version)["properties"]["codeUri"] == uri


def test_files_are_dropped_into_the_inbox_and_taken_back(
    host: RunningHost, datastore: Opened
) -> None:
    inbox = datastore("batchinbox")
    inbox.upload_blob("nobody/rows.csv", b"1,2\n", overwrite=True)
    dropped = host.inbox / "nobody" / "rows.csv"
    assert dropped.read_bytes() == b"1,2\n"
    assert [blob.name for blob in inbox.list_blobs()] == ["nobody/rows.csv"]
    inbox.delete_blob("nobody/rows.csv")
    assert not dropped.parent.exists()


def test_large_blobs_pass_in_little_memory(
    host: RunningHost, datastore: Opened, tmp_path: Path
) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        for n in range(100):
            file.write(bytes([n]) * MIB)
    warm = datastore("workspaceblobstore")
    warm.upload_blob("warm", b"x" * 8 * MIB, overwrite=True)
    before = host.memory()
    peak = before
    for name, options in (
        ("blocks", {"max_single_put_size": MIB, "max_block_size": 8 * MIB}),
        ("one put", {"max_single_put_size": 200 * MIB}),
    ):
        client: Any = datastore("workspaceblobstore", **options)
        with source.open("rb") as file, ThreadPoolExecutor(1) as pool:
            going = pool.submit(client.upload_blob, name, file, overwrite=True, max_concurrency=4)
            while not wait([going], timeout=0.02).done:
                peak = max(peak, host.memory())
            going.result()
        size = 0
        for piece in client.download_blob(name, max_concurrency=4).chunks():
            size += len(piece)
            peak = max(peak, host.memory())
        assert size == 100 * MIB
        stored = host.data_dir / "blobs" / "workspaceblobstore" / name
        assert stored.read_bytes() == source.read_bytes()
    assert peak - before < 48 * MIB
