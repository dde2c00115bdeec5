"""What a batch job can read, from a caller's side of the door."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outside import scoring_files as batch
from outside.running_host import RunningHost
from tests.kit.waiting import until
from tests.kit.web_server import WebServer, web_server

HOST_ENVIRONMENT = {"ML_ENDPOINTS_PRIVATE_NETWORKS": "127.0.0.1/32"}
ROWS = """
import csv
import os
import time


def init():
    pass


def run(mini_batch):
    gate = os.environ.get("GATE")
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    tables = []
    for path in mini_batch:
        with open(path, encoding="utf-8-sig", newline="") as file:
            tables.append([{"value": row["value"]} for row in csv.DictReader(file)])
    return tables
"""
VALUES = [f'say "{n}"\nand, {n}' if n % 3 else str(n) for n in range(1000)]


def table() -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["id", "value"])
    writer.writerows(enumerate(VALUES))
    return "\ufeff" + text.getvalue().removesuffix("\r\n")


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def endpoint(host: RunningHost) -> None:
    batch.batch(host, "files", miniBatchSize=2)
    batch.batch(host, "rows", ROWS, miniBatchBy="Rows", miniBatchSize=64)


def put(host: RunningHost, folder: Path, path: str, text: str) -> str:
    """A file put into the default datastore by a signed URL; its URI."""
    file = folder / "put"
    file.write_text(text, newline="")
    host.workspace.put_blob("workspaceblobstore", path, file)
    return f"azureml://datastores/workspaceblobstore/paths/{path}"


def asked(**inputs: tuple[str, str] | dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"jobInputType": each[0], "uri": each[1]} if isinstance(each, tuple) else each
        for name, each in inputs.items()
    }


def done(host: RunningHost, endpoint: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    shown = batch.ended(host, batch.started(host, endpoint, "", inputData=inputs, **more))
    assert shown["status"] == "Completed", shown["error"]
    return shown


def test_uploads_by_signed_url_a_web_file_and_a_globbed_folder_in_one_job(
    host: RunningHost, server: WebServer, tmp_path: Path
) -> None:
    put(host, tmp_path, "in/2026/a.csv", "a\n")
    put(host, tmp_path, "in/2026/_b.csv", "b\n")
    whole = put(host, tmp_path, "in/c.txt", "c\n").removesuffix("/c.txt")
    (tmp_path / "asset.csv").write_text("d\n")
    asset = host.workspace.upload("data", "one-file", "1", tmp_path / "asset.csv")
    url = server.file("/public/e.csv", b"e\n") + "?token=s3cret"
    globs = {"include": ["**/*.csv"], "exclude": ["**/_*"]}
    inputs = asked(
        folder={"jobInputType": "uri_folder", "uri": whole, **globs},
        upload=("UriFile", asset),
        web=("UriFile", url),
    )
    shown = done(host, "files", inputs)
    assert batch.rows(host, shown) == [
        ("folder/2026/a.csv", "0", "A"),
        ("upload/asset.csv", "0", "D"),
        ("web/e.csv", "0", "E"),
    ]
    assert shown["inputs"]["folder"]["include"] == ["**/*.csv"]
    assert shown["inputs"]["web"]["uri"] == url.partition("?")[0]
    assert server.asked == ["/public/e.csv?token=s3cret"]
    assert "s3cret" not in host.log()


def test_a_large_table_is_scored_by_rows_with_true_numbers(
    host: RunningHost, tmp_path: Path
) -> None:
    uri = put(host, tmp_path, "tables/data.csv", table())
    shown = done(host, "rows", asked(data=("UriFile", uri)))
    assert shown["settings"]["miniBatchBy"] == "Rows"
    assert shown["progress"]["totalMiniBatches"] == 16
    check(host, shown)


def check(host: RunningHost, shown: dict[str, Any]) -> None:
    with batch.output(host, shown).open(newline="") as file:
        found = [tuple(row.values()) for row in csv.DictReader(file)]
    assert found == [("data.csv", str(n), value) for n, value in enumerate(VALUES)]


def test_a_job_may_say_by_what_its_mini_batches_are_measured(
    host: RunningHost, tmp_path: Path
) -> None:
    for name in "abc":
        put(host, tmp_path, f"sizes/{name}.csv", "x" * 700)
    uri = "azureml://datastores/workspaceblobstore/paths/sizes"
    by_bytes = {"miniBatchBy": "bytes", "miniBatchSize": 1400}
    shown = done(host, "files", asked(d=("UriFolder", uri)), **by_bytes)
    assert shown["progress"]["totalMiniBatches"] == 2
    assert shown["settings"]["miniBatchSize"] == 1400


@pytest.mark.parametrize(
    ("inputs", "more", "target", "why"),
    [
        (asked(a=("UriFile", "https://169.254.169.254/x")), {}, "a.uri", "not a public address"),
        (asked(a=("UriFile", "http://127.0.0.2/x")), {}, "a.uri", "https only"),
        (asked(a=("UriFolder", "https://example.com/x/")), {}, "a.uri", "no listing"),
        (asked(a=("UriFile", "https://me@example.com/x")), {}, "a.uri", "user or password"),
        (
            asked(a={"jobInputType": "UriFolder", "uri": "x", "include": ["/a", "b/"]}),
            {},
            "a.include.0",
            "does not begin with",
        ),
        (
            asked(a={"jobInputType": "UriFolder", "uri": "x", "include": "a"}),
            {},
            "a.include",
            "are a list",
        ),
        (asked(a=("UriFolder", "x")), {"miniBatchBy": "Pages"}, "miniBatchBy", "'Rows'"),
        (
            asked(a=("UriFolder", "x")),
            {"miniBatchBy": "Bytes", "miniBatchSize": 10},
            "miniBatchSize",
            "1024 to",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(
    host: RunningHost, inputs: dict[str, Any], more: dict[str, Any], target: str, why: str
) -> None:
    answer = batch.invoke(host, "files", "", inputData=inputs, **more)
    assert answer.status_code == 400, answer.text
    faults = {d["target"]: d["message"] for d in answer.json()["error"]["details"]}
    [message] = [text for at, text in faults.items() if at.endswith(target)]
    assert why in message


def test_pieces_of_a_table_outlive_a_killed_host(host: RunningHost, tmp_path: Path) -> None:
    uri = put(host, tmp_path, "tables/data.csv", table())
    gate = host.meeting / "open"
    inputs = asked(data=("UriFile", uri))
    held = {"environmentVariables": {"GATE": str(gate)}}
    name = batch.started(host, "rows", "", inputData=inputs, miniBatchSize=8, **held)
    until(lambda: (batch.job(host, name)["progress"] or {}).get("inFlight"))
    host.kill()
    gate.touch()
    host.start()
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed", shown["error"]
    progress = shown["progress"]
    assert (progress["totalFiles"], progress["filesInPieces"]) == (1, 1)
    assert progress["succeededPieces"] == progress["totalPieces"] == 125
    assert (progress["failedPieces"], progress["succeededFiles"]) == (0, 0)
    check(host, shown)


def test_an_output_below_a_file_and_a_variable_that_cannot_be_are_refused(
    host: RunningHost, tmp_path: Path
) -> None:
    uri = put(host, tmp_path, "taken/a.csv", "a\n")
    below = {"score": {"jobOutputType": "UriFolder", "uri": uri}}
    told = batch.invoke(host, "files", uri, outputData=below)
    assert told.status_code == 409
    assert "'workspaceblobstore/taken/a.csv' is a file" in told.json()["error"]["message"]
    told = batch.invoke(host, "files", uri, environmentVariables={"A=B": "x"})
    assert told.status_code == 400
    assert "no '='" in told.json()["error"]["message"]


def test_a_job_ends_though_a_file_has_come_where_its_output_needs_a_folder(
    host: RunningHost, tmp_path: Path
) -> None:
    uri = put(host, tmp_path, "late/in/a.csv", "a\n").removesuffix("/a.csv")
    out = {"score": {"uri": uri.removesuffix("/in") + "/out/deep/p.csv"}}
    gate = host.meeting / "late"
    variables = {"GATE": str(gate)}
    name = batch.started(host, "files", uri, outputData=out, environmentVariables=variables)
    put(host, tmp_path, "late/out", "in the way")
    gate.touch()
    shown = batch.ended(host, name)
    assert shown["status"] == "Failed"
    assert "'late/out' is a blob or a link already" in shown["error"]["message"]
    error = host.data_dir / f"blobs/workspaceblobstore/azureml/{name}/logs/user/error.txt"
    assert error.read_text().startswith("OutputDisturbed: Nothing can be written")
