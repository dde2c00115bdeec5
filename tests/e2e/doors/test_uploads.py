"""Assets and their uploads through signed URLs."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import httpx
import pytest

from examples.client import CallFailed
from infra.embedded.command import main
from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until

MEGABYTE = bytes(range(256)) * 4096


def begin(host: RunningHost, kind: str, name: str) -> tuple[str, str, str]:
    """Base URL, query and blobUri of a new upload."""
    body = {"pendingUploadType": "TemporaryBlobReference"}
    path = f"{kind}/{name}/versions/1/startPendingUpload"
    started = host.workspace.call("POST", path, body).json()["blobReferenceForConsumption"]
    address, _, query = started["credential"]["sasUri"].partition("?")
    return address, query, started["blobUri"]


def put(host: RunningHost, url: str, content: Any, **headers: str) -> httpx.Response:
    return host.workspace.http.put(
        url, content=content, headers={"x-ms-blob-type": "BlockBlob", **headers}
    )


def test_two_hundred_megabytes_go_up_and_down_with_the_hosts_memory_flat(
    host: RunningHost,
) -> None:
    address, query, uri = begin(host, "models", "large")
    put(host, f"{address}/warm?{query}", MEGABYTE)
    before = host.memory()
    most = before
    sent, got = hashlib.sha256(), hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        nonlocal most
        for number in range(200):
            piece = number.to_bytes(4, "big") + MEGABYTE[4:]
            sent.update(piece)
            most = max(most, host.memory())
            yield piece

    answer = put(host, f"{address}/weights?{query}", pieces())
    assert answer.status_code == 201
    with host.workspace.http.stream("GET", f"{address}/weights?{query}") as answer:
        for piece in answer.iter_bytes():
            got.update(piece)
            most = max(most, host.memory())
    assert got.digest() == sent.digest()
    assert most - before < 40 * 2**20
    body = {"properties": {"modelUri": f"{uri}/weights", "modelType": "custom_model"}}
    shown = host.workspace.call("PUT", "models/large/versions/1", body).json()
    assert shown["properties"]["modelUri"]


def test_only_a_true_signature_opens_a_blob(host: RunningHost) -> None:
    address, query, _ = begin(host, "data", "signed")
    blob = f"{address}/a.csv"
    assert put(host, f"{blob}?{query}", b"1,2\n").status_code == 201
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    forged = [
        {},
        {**fields, "sig": ""},
        {**fields, "sig": fields["sig"][:-4] + "AAA="},
        {**fields, "se": "2099-01-01T00:00:00Z"},
        {**fields, "sp": "rwdlx"},
        {**fields, "sr": "b"},
        {**fields, "sv": "2"},
    ]
    for each in forged:
        for method in ("GET", "PUT", "HEAD"):
            answer = host.workspace.http.request(method, f"{blob}?{urlencode(each)}", content=b"x")
            assert answer.status_code == 403, (each, method)
    other, _, _ = begin(host, "data", "another")
    assert host.workspace.http.get(f"{other}/a.csv?{query}").status_code == 403
    assert put(host, f"{other}/a.csv?{query}", b"x").status_code == 403
    assert host.workspace.http.get(f"{blob}?{query}").content == b"1,2\n"
    # A token for the control plane is none for blobs.
    bearer = host.workspace.http.get(blob, headers=host.bearer())
    assert bearer.status_code == 401


@pytest.mark.parametrize(
    "name",
    [
        "../escape",
        "a/../../escape",
        "..%2f..%2fescape",
        "%2e%2e/%2e%2e/escape",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "a//b",
        "a/./b",
        "nul%00byte",
        "line%0afeed",
        "%ff%fe",
        "x" * 300,
        "/".join("d" * 200 for _ in range(6)),
        "",
    ],
)
def test_no_name_leaves_its_container(host: RunningHost, name: str) -> None:
    address, query, _ = begin(host, "data", "tricks")
    path = address.removeprefix(host.url)
    answer = host.exchange(
        f"PUT {path}/{name}?{query} HTTP/1.1\r\nhost: x\r\nx-ms-blob-type: BlockBlob\r\n"
        "connection: close\r\ncontent-length: 1\r\n\r\nx".encode()
    )
    assert re.match(rb"HTTP/1.1 40[034]", answer), answer
    assert not [file for file in host.files() if file.name.startswith("escape")]
    read = host.exchange(f"GET {path}/{name}?{query} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 40[034]", read), read


@pytest.mark.parametrize("name", ["a b%c#d?e.csv", "über/日本.csv", "..hidden", "-rf", "a\\b", "~"])
def test_a_name_that_is_only_odd_is_kept_as_it_is(host: RunningHost, name: str) -> None:
    address, query, _ = begin(host, "data", "odd")
    url = f"{address}/{quote(name)}?{query}"
    assert put(host, url, name.encode()).status_code == 201
    assert host.workspace.http.get(url).content == name.encode()


def test_an_upload_that_breaks_off_leaves_nothing(host: RunningHost) -> None:
    address, query, _ = begin(host, "data", "broken")
    path = address.removeprefix(host.url)
    with host.connect() as connection:
        connection.sendall(
            f"PUT {path}/half?{query} HTTP/1.1\r\nhost: x\r\nx-ms-blob-type: BlockBlob\r\n"
            "content-length: 1000000\r\n\r\n".encode()
            + MEGABYTE[:500_000]
        )
    assert host.workspace.http.get(f"{address}/half?{query}").status_code == 404
    until(lambda: not host.files("blobs", path.split("/")[2]))


def test_a_leaked_upload_url_writes_no_more_once_the_version_is_registered(
    host: RunningHost,
) -> None:
    address, query, uri = begin(host, "codes", "leaked")
    late, late_query, _ = begin(host, "codes", "leaked")
    assert put(host, f"{address}/score.py?{query}", serving.ECHO).status_code == 201
    block = {"comp": "block", "blockid": "AAAA"}
    staged = f"{address}/score.py?{query}&{urlencode(block)}"
    assert put(host, staged, b"def run(d): return 'evil'").status_code == 201
    body = {"properties": {"codeUri": uri}}
    shown = host.workspace.call("PUT", "codes/leaked/versions/1", body).json()["properties"]
    assert (shown["seal"]["files"], shown["seal"]["bytes"]) == (1, len(serving.ECHO))

    http, blob = host.workspace.http, f"{address}/score.py?{query}"
    committed = "<BlockList><Latest>AAAA</Latest></BlockList>"
    for answer in (
        put(host, blob, b"def run(d): return 'evil'"),
        put(host, f"{address}/beside.py?{query}", b"evil"),
        put(host, staged, b"evil"),
        put(host, f"{blob}&comp=blocklist", committed),
        http.put(f"{blob}&comp=metadata", headers={"x-ms-meta-a": "b"}),
    ):
        assert answer.status_code == 403, answer.text
        assert "UploadClosed" in answer.text
    assert http.get(blob).text == serving.ECHO
    # Another who uploads for it goes on, and is told when he registers; the first may again.
    assert put(host, f"{late}/score.py?{late_query}", b"other").status_code == 201
    assert host.workspace.call("PUT", "codes/leaked/versions/1", body).status_code == 200


def test_an_upload_under_way_when_its_place_is_registered_does_not_land(host: RunningHost) -> None:
    address, query, uri = begin(host, "codes", "slow")
    assert put(host, f"{address}/score.py?{query}", serving.ECHO).status_code == 201
    path = address.removeprefix(host.url)
    drafts = host.data_dir / "blob-state" / "temp"
    before = set(drafts.iterdir())
    with host.connect() as connection:
        connection.sendall(
            f"PUT {path}/score.py?{query} HTTP/1.1\r\nhost: x\r\nx-ms-blob-type: BlockBlob\r\n"
            f"connection: close\r\ncontent-length: {4 * len(MEGABYTE)}\r\n\r\n".encode()
            + 3 * MEGABYTE
        )
        until(lambda: set(drafts.iterdir()) - before, "the upload is under way")
        host.workspace.call("PUT", "codes/slow/versions/1", {"properties": {"codeUri": uri}})
        connection.sendall(MEGABYTE)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.match(rb"HTTP/1.1 403", answer), answer
    assert host.workspace.http.get(f"{address}/score.py?{query}").text == serving.ECHO


def test_what_was_registered_is_what_runs_or_the_deployment_fails_with_that_reason(
    host: RunningHost, tmp_path: Path
) -> None:
    """By the datastore's own URL, which goes on writing."""
    script = tmp_path / "score.py"
    script.write_text(serving.ECHO)
    host.workspace.put_blob("workspaceblobstore", "src/score.py", script)
    uri = "azureml://datastores/workspaceblobstore/paths/src"
    host.workspace.call("PUT", "codes/stored/versions/1", {"properties": {"codeUri": uri}})
    script.write_text("def init(): pass\ndef run(d): return 'evil'\n")
    host.workspace.put_blob("workspaceblobstore", "src/score.py", script)
    serving.endpoint(host, "sealed")
    code = serving.codes(host, "stored", {})
    with pytest.raises(RuntimeError, match=r"AssetChanged.*src/score\.py' is not what was reg"):
        serving.deploy(host, "sealed/blue", code)
    script.write_text(serving.ECHO)
    host.workspace.put_blob("workspaceblobstore", "src/score.py", script)
    serving.deploy(host, "sealed/blue", code)


def test_urls_are_good_for_an_hour_at_most(host: RunningHost) -> None:
    secret = host.workspace.call("POST", "datastores/workspaceblobstore/listSecrets").json()
    for query in (begin(host, "models", "brief")[1], secret["sasToken"]):
        expires = datetime.fromisoformat(parse_qs(query)["se"][0])
        assert expires <= datetime.now(UTC) + timedelta(hours=1, seconds=1)


def test_a_url_that_leaked_is_taken_back_alone(
    host: RunningHost, capsys: pytest.CaptureFixture[str]
) -> None:
    address, query, _ = begin(host, "data", "public")
    other, other_query, _ = begin(host, "data", "private")
    folder = ["--data-dir", str(host.data_dir)]
    assert put(host, f"{address}/a?{query}", b"x").status_code == 201
    assert main(["urls", "revoke", f"{address}/a?{query}", *folder]) == 0
    refused = host.workspace.http.get(f"{address}/a?{query}")
    assert (refused.status_code, "RevokedSignature" in refused.text) == (403, True)
    assert put(host, f"{other}/a?{other_query}", b"x").status_code == 201
    assert main(["urls", "revoke", f"{address}/a?sig=x", *folder]) == 2
    assert "no signed URL with an id" in capsys.readouterr().err


def test_a_version_keeps_its_files_and_what_it_says(host: RunningHost, tmp_path: Path) -> None:
    address, query, uri = begin(host, "models", "kept")
    assert put(host, f"{address}/m.bin?{query}", b"first").status_code == 201
    body = {"properties": {"modelUri": uri, "modelType": "custom_model", "tags": {"a": "1"}}}
    assert host.workspace.call("PUT", "models/kept/versions/1", body).status_code == 201
    again = host.workspace.call("PUT", "models/kept/versions/1", body)
    assert again.status_code == 200
    with pytest.raises(CallFailed, match="409"):
        begin(host, "models", "kept")
    other = {"properties": {**body["properties"], "modelUri": uri + "/m.bin"}}
    with pytest.raises(CallFailed, match=r"(400|409)"):
        host.workspace.call("PUT", "models/kept/versions/1", other)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "https://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:22/x",
        "azureml://datastores/nothing/paths/x",
        "azureml://datastores/workspaceblobstore/paths/../../secrets",
        "/etc",
        "",
        "x" * 10_000,
    ],
)
def test_a_model_cannot_be_what_is_not_in_the_store(host: RunningHost, uri: str) -> None:
    body = {"properties": {"modelUri": uri, "modelType": "custom_model"}}
    with pytest.raises(CallFailed, match=r"40[04].*"):
        host.workspace.call("PUT", "models/strange/versions/1", body)


def test_a_model_in_use_is_not_deleted(host: RunningHost, tmp_path: Path) -> None:
    file = tmp_path / "m.txt"
    file.write_text("weights")
    uri = host.workspace.upload("models", "used", "1", file)
    host.workspace.call("PUT", "models/used/versions/1", {"properties": {"modelUri": uri}})
    code = serving.codes(
        host,
        "opener",
        {
            "score.py": (
                "import os\ndef init(): pass\n"
                "def run(d): return open(os.environ['AZUREML_MODEL_DIR'] + '/m.txt').read()\n"
            )
        },
    )
    serving.endpoint(host, "user")
    model = f"{host.workspace.connection['workspace']}/models/used/versions/1"
    serving.deploy(host, "user/blue", code, model=model)
    serving.traffic(host, "user", blue=100)
    with serving.caller(host, "user") as client:
        assert client.post("", json={}).json() == "weights"
    for asset in ("models/used", "codes/opener", "environments/bare"):
        with pytest.raises(CallFailed, match="409"):
            host.workspace.call("DELETE", f"{asset}/versions/1")
    listed = json.dumps(host.workspace.get("models"))
    assert "used" in listed
