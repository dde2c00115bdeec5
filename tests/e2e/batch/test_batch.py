"""Batch endpoints, from a caller's side of the door."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pyarrow
import pyarrow.parquet as pq
import pytest

from examples.client import CallFailed
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.journey
GOOD = {"a.csv": "a1\na2\n", "b.csv": "b1\n", "nested/deep/c.csv": "c1\nc2\nc3\n"}
WANTED = [
    ("a.csv", "0", "A1"),
    ("a.csv", "1", "A2"),
    ("b.csv", "0", "B1"),
    ("nested/deep/c.csv", "0", "C1"),
    ("nested/deep/c.csv", "1", "C2"),
    ("nested/deep/c.csv", "2", "C3"),
]

HOST_ENVIRONMENT = {"ML_ENDPOINTS_SCRIPT_READABLE": str(Path(pyarrow.__file__).parents[1])}


@pytest.fixture(scope="module")
def gate(host: RunningHost) -> Path:
    return host.meeting / "open"


@pytest.fixture(scope="module", autouse=True)
def endpoint(host: RunningHost, gate: Path) -> None:
    batch.batch(host, "files")


def listed(host: RunningHost, status: str) -> list[str]:
    found = host.workspace.get(f"batchEndpoints/files/jobs?status={status}")["value"]
    return [each["name"] for each in found]


@pytest.mark.cluster
def test_a_job_goes_through_its_states_and_its_rows_are_in_order(
    host: RunningHost, gate: Path
) -> None:
    name = batch.started(
        host, "files", batch.data(host, GOOD), environmentVariables={"GATE": str(gate)}
    )
    running = until(lambda: (j := batch.job(host, name))["status"] == "Running" and j)
    assert not running["outputs"]["score"]["isComplete"]
    until(lambda: (p := batch.job(host, name)["progress"]) and p["inFlight"])
    assert name in listed(host, "Running")
    assert name not in listed(host, "Completed")
    gate.touch()
    shown = batch.ended(host, name)
    gate.unlink()
    assert shown["status"] == "Completed"
    assert batch.rows(host, shown) == WANTED
    assert f"azureml/{name}/score/predictions.csv" in shown["outputs"]["score"]["uri"]
    assert shown["progress"]["rows"] == 6
    assert shown["startTime"] < shown["endTime"]
    assert name not in listed(host, "Running")
    assert name in listed(host, "Completed")
    polled = host.workspace.call("GET", f"{host.url}/endpoints/files/jobs/{name}").json()
    assert polled["properties"]["status"] == "Completed"


def test_a_job_may_override_what_its_deployment_says(host: RunningHost) -> None:
    name = batch.started(
        host,
        "files",
        batch.data(host, GOOD),
        miniBatchSize=2,
        compute={"instanceCount": 2},
        errorThreshold=5,
        retrySettings={"maxRetries": 2, "timeout": "PT7M"},
        outputFileName="mine.csv",
        name="named-by-me",
        experimentName="trial",
    )
    assert name == "named-by-me"
    shown = batch.ended(host, name)
    assert shown["settings"]["retrySettings"] == {"maxRetries": 2, "timeout": "PT7M"}
    assert shown["settings"]["resources"]["instanceCount"] == 2
    assert shown["progress"]["totalMiniBatches"] == 2
    assert shown["experimentName"] == "trial"
    assert batch.output(host, shown).name == "mine.csv"
    assert batch.rows(host, shown) == WANTED
    again = batch.invoke(host, "files", batch.data(host, GOOD), name="named-by-me")
    assert again.status_code == 409


def test_an_idempotency_key_gives_one_job_however_often_it_comes(host: RunningHost) -> None:
    uri = batch.data(host, GOOD)
    for header in ("Idempotency-Key", "repeatability_request-id"):
        key = {header: f"key of {header}"}
        answers = [batch.invoke(host, "files", uri, headers=key) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 200, 200]
        [name] = {answer.json()["name"] for answer in answers}
        other = batch.invoke(host, "files", uri, headers=key, miniBatchSize=3)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "IdempotencyKeyReused")
        batch.ended(host, name)


def test_files_that_fail_stand_in_a_manifest_and_the_others_in_the_output(
    host: RunningHost,
) -> None:
    files = {**GOOD, "bad.csv": "raise", "worse.csv": "exit"}
    name = batch.started(host, "files", batch.data(host, files))
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed"
    assert batch.rows(host, shown) == WANTED
    text = batch.output(host, shown, "failedFiles").read_text()
    failed = [json.loads(line) for line in text.splitlines()]
    assert "bad.csv" in json.dumps(failed)
    assert "cannot score bad.csv" in json.dumps(failed)
    assert "worse.csv" in json.dumps(failed)
    assert shown["progress"]["failedFiles"] == 2


def assert_results_are_shown(host: RunningHost, name: str, bad: list[str], good: list[str]) -> None:
    """What a job has written, as people look at it."""
    call = host.workspace.call
    first = call("GET", f"jobs/{name}/failures?$top=1").json()
    listed = [*first["value"], *call("GET", first["nextLink"]).json()["value"]]
    assert [each["file"] for each in listed] == bad
    failed = listed[0]
    assert failed["error"] == f"ValueError: cannot score {bad[0]}"
    assert httpx.get(failed["url"], verify=host.tls, timeout=PATIENCE).text == "raise"
    [file] = call("GET", f"jobs/{name}/outputs/score/files").json()["value"]
    content = httpx.get(file["url"], verify=host.tls, timeout=PATIENCE).content
    assert len(content) == file["size"]
    told = call("GET", f"jobs/{name}/outputs/score/firstRows?rows=3").json()
    assert told["kind"] == "csv"
    assert [row[0] for row in told["rows"]] == good[:3]
    zipped = call("GET", f"jobs/{name}/outputs/score/zip").content
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.testzip() is None
        assert archive.read(file["path"]) == content
    logs = call("GET", f"jobs/{name}/outputs/logs/zip").content
    with zipfile.ZipFile(io.BytesIO(logs)) as archive:
        assert "job_progress_overview.txt" in archive.namelist()
    with pytest.raises(CallFailed, match="404"):
        call("GET", f"jobs/{name}/outputs/score/firstRows?path=none.csv")
    with pytest.raises(CallFailed, match="404"):
        call("GET", f"jobs/{name}/outputs/other/files")


@pytest.mark.cluster
def test_one_bad_file_of_many_fails_alone(host: RunningHost) -> None:
    files = {f"{number:02}.csv": f"n{number}\n" for number in range(24)}
    bad = {"13.csv": "raise", "21.csv": "exit"}
    uri = batch.data(host, {**files, **bad})
    name = batch.started(host, "files", uri, miniBatchSize=8, errorThreshold=2)
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed"
    text = batch.output(host, shown, "failedFiles").read_text()
    failed = {line["file"]: line["error"] for line in map(json.loads, text.splitlines())}
    assert list(failed) == list(bad)
    assert failed["13.csv"] == "ValueError: cannot score 13.csv"
    good = [file for file in files if file not in bad]
    assert batch.rows(host, shown) == [(file, "0", files[file].strip().upper()) for file in good]
    assert shown["progress"]["failedFiles"] == 2
    assert shown["progress"]["failedMiniBatches"] == 0
    assert_results_are_shown(host, name, list(bad), good)
    tried = host.workspace.call("POST", f"jobs/{name}/retryFailed").json()["name"]
    assert batch.ended(host, tried)["progress"]["totalFiles"] == 2


@pytest.mark.parametrize(
    ("threshold", "status"), [(-1, "Completed"), (2, "Completed"), (1, "Failed"), (0, "Failed")]
)
def test_the_error_threshold_is_read_as_azure_reads_it(
    host: RunningHost, threshold: int, status: str
) -> None:
    files = {**GOOD, "bad.csv": "raise", "worse.csv": "raise"}
    name = batch.started(host, "files", batch.data(host, files), errorThreshold=threshold)
    shown = batch.ended(host, name)
    assert shown["status"] == status
    if status == "Failed":
        assert "threshold" in shown["error"]["message"]
        # Two workers are at them: either may be the one failure that is one too many.
        named = ("bad", "worse") if threshold == 0 else ("bad",)
        said = [f"{name}.csv: ValueError: cannot score {name}.csv" for name in named]
        assert any(each in shown["error"]["message"] for each in said)


def test_a_job_of_which_every_mini_batch_fails_fails_whatever_the_threshold(
    host: RunningHost,
) -> None:
    name = batch.started(host, "files", batch.data(host, {"a.csv": "raise", "b.csv": "raise"}))
    shown = batch.ended(host, name)
    assert shown["status"] == "Failed"
    assert "cannot score" in json.dumps(shown["error"])


def test_a_mini_batch_is_tried_again_and_an_endless_one_is_stopped(
    host: RunningHost,
) -> None:
    script = (
        "import os, threading\ndef init(): pass\n"
        f"tries = {str(host.meeting / 'tries')!r}\n"
        "def run(files):\n"
        "    with open(tries, 'a') as f: f.write(os.path.basename(files[0]) + '\\n')\n"
        "    text = open(files[0]).read()\n"
        "    if 'endless' in text: threading.Event().wait()\n"
        "    if 'bad' in text: raise ValueError('no')\n"
        "    return [text]\n"
    )
    batch.batch(host, "tries", script)
    uri = batch.data(host, {"bad.csv": "bad", "good.csv": "good"})
    ample = {"maxRetries": 2, "timeout": "PT1H"}
    shown = batch.ended(host, batch.started(host, "tries", uri, retrySettings=ample))
    assert shown["status"] == "Completed"
    tried = (host.meeting / "tries").read_text().splitlines()
    assert {name: tried.count(name) for name in set(tried)} == {"bad.csv": 3, "good.csv": 1}

    uri = batch.data(host, {"endless.csv": "endless"})
    short = {"maxRetries": 2, "timeout": "PT0.5S"}
    name = batch.started(host, "tries", uri, retrySettings=short, errorThreshold=-1)
    shown = batch.ended(host, name)
    [failed] = batch.output(host, shown, "failedFiles").read_text().splitlines()
    assert json.loads(failed)["attempts"] == 3
    assert "ran into its timeout of 0.5 s" in failed


def test_text_output_is_azures(host: RunningHost) -> None:
    name = batch.started(host, "files", batch.data(host, GOOD), outputFormat="Text")
    shown = batch.ended(host, name)
    assert batch.output(host, shown).read_text().splitlines() == [
        "[{'prediction': 'A1'}, {'prediction': 'A2'}]",
        "[{'prediction': 'B1'}]",
        "[{'prediction': 'C1'}, {'prediction': 'C2'}, {'prediction': 'C3'}]",
    ]


def test_json_lines_can_do_without_provenance(host: RunningHost) -> None:
    asked = {"outputFormat": "Jsonl", "provenanceColumns": False}
    name = batch.started(host, "files", batch.data(host, GOOD), **asked)
    shown = batch.ended(host, name)
    assert shown["outputs"]["score"]["uri"].endswith("/score/predictions.jsonl")
    lines = batch.output(host, shown).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"prediction": row[2]} for row in WANTED]


def test_parquet_is_a_folder_of_parts_that_a_manifest_names(host: RunningHost) -> None:
    name = batch.started(
        host,
        "files",
        batch.data(host, GOOD),
        outputFormat="Parquet",
        # Of this Python, as the environment is; a model brings its own.
        environmentVariables={"PYTHONPATH": str(Path(pyarrow.__file__).parents[1])},
    )
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed", shown["error"]
    folder = batch.output(host, shown)
    manifest = json.loads((folder / "_manifest.json").read_text())
    assert (manifest["state"], manifest["rows"], len(manifest["parts"])) == ("complete", 6, 3)
    parts = [pq.read_table(folder / part["name"]) for part in manifest["parts"]]
    rows = pyarrow.concat_tables(parts, promote_options="permissive").to_pylist()
    assert [(r["input_file"], str(r["input_row"]), r["prediction"]) for r in rows] == WANTED


def test_parquet_without_pyarrow_fails_and_says_what_to_do(host: RunningHost) -> None:
    name = batch.started(host, "files", batch.data(host, GOOD), outputFormat="Parquet")
    shown = batch.ended(host, name)
    assert shown["status"] == "Failed"
    assert "needs pyarrow in the deployment's environment" in shown["error"]["message"]


def test_failed_files_are_retried_with_a_mended_script_and_joined(host: RunningHost) -> None:
    files = {**GOOD, "bad.csv": "raise", "worse.csv": "raise"}
    batch.batch(host, "mended")
    first = batch.started(host, "mended", batch.data(host, files))
    assert batch.ended(host, first)["progress"]["failedFiles"] == 2
    mended = batch.SCRIPT.replace("raise ValueError", "text = text.upper(); print")
    code = serving.codes(host, "mended-code-2", {"score.py": mended})
    body = {"location": "local", "properties": batch.deployment(host, code)}
    host.workspace.mutate("PUT", "batchEndpoints/mended/deployments/main", body)
    answer = host.workspace.call("POST", f"jobs/{first}/retryFailed", {})
    assert answer.status_code == 201
    shown = batch.ended(host, answer.json()["name"])
    assert (shown["status"], shown["progress"]["totalFiles"]) == ("Completed", 2)
    wanted = [*WANTED, ("bad.csv", "0", "RAISE"), ("worse.csv", "0", "RAISE")]
    assert batch.rows(host, shown) == sorted(wanted)
    with pytest.raises(CallFailed, match="409"):
        host.workspace.call("POST", f"jobs/{answer.json()['name']}/retryFailed", {})


def test_summary_only_leaves_the_scripts_own_files(host: RunningHost) -> None:
    script = (
        "import os\ndef init(): pass\n"
        "def run(files):\n"
        "    for f in files:\n"
        "        out = os.path.join(os.environ['AZUREML_BI_OUTPUT_PATH'], os.path.basename(f))\n"
        "        open(out, 'w').write(open(f).read().upper())\n"
        "    return files\n"
    )
    batch.batch(host, "summary", script, outputAction="SummaryOnly")
    name = batch.started(host, "summary", batch.data(host, {"a.csv": "a", "b.csv": "b"}))
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed"
    folder = batch.output(host, shown)
    assert {p.name: p.read_text() for p in folder.iterdir()} == {"a.csv": "A", "b.csv": "B"}


def test_the_next_job_of_a_deployment_finds_warm_workers(host: RunningHost) -> None:
    script = (
        "import uuid\nme = uuid.uuid4().hex\n"
        "def init(): pass\ndef run(files): return [me] * len(files)\n"
    )
    batch.batch(host, "warm", script)
    uri = batch.data(host, {"a.csv": "a"})
    shown = [
        batch.ended(host, batch.started(host, "warm", uri, environmentVariables=variables))
        for variables in ({}, {}, {"MODE": "other"})
    ]
    ran = [batch.output(host, j).read_text().rpartition(",")[2] for j in shown]
    assert ran[0] == ran[1] != ran[2]


@pytest.mark.cluster
def test_a_job_is_cancelled_and_its_workers_end(
    host: RunningHost, gate: Path, fleet: Fleet
) -> None:
    before = fleet.workers(host)
    variables = {"GATE": str(gate), "WORKERS": "of its own"}
    name = batch.started(host, "files", batch.data(host, GOOD), environmentVariables=variables)
    until(lambda: (p := batch.job(host, name)["progress"]) and p["inFlight"])
    own = until(lambda: fleet.workers(host) - before)
    with pytest.raises(CallFailed, match="409"):
        host.workspace.call("DELETE", f"jobs/{name}")
    answer = host.workspace.call("POST", f"jobs/{name}/cancel")
    assert answer.status_code == 202
    shown = batch.ended(host, name)
    assert shown["status"] == "Canceled"
    assert not batch.output(host, shown).exists()
    until(lambda: not own & fleet.workers(host))
    assert host.workspace.call("DELETE", f"jobs/{name}").status_code == 200
    with pytest.raises(CallFailed, match="404"):
        host.workspace.get(f"jobs/{name}")


def test_two_jobs_never_write_to_one_place(host: RunningHost, gate: Path) -> None:
    place = {
        "score": {
            "jobOutputType": "UriFile",
            "uri": "azureml://datastores/workspaceblobstore/paths/shared/out.csv",
        }
    }
    uri = batch.data(host, GOOD)
    hold = {"environmentVariables": {"GATE": str(gate)}}
    first = batch.started(host, "files", uri, outputData=place, **hold)
    refused = batch.invoke(host, "files", uri, outputData=place)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OutputInUse")
    gate.touch()
    shown = batch.ended(host, first)
    gate.unlink()
    assert batch.rows(host, shown) == WANTED
    refused = batch.invoke(host, "files", uri, outputData=place)
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("overrides", "target"),
    [
        ({"outputData": {"x": {"uri": "azureml://datastores/batch-inbox/paths/x.csv"}}}, "output"),
        ({"outputFileName": "../../x.csv"}, "outputFileName"),
        (
            {
                "outputData": {
                    "x": {"uri": "azureml://datastores/workspaceblobstore/paths/../../../x"}
                }
            },
            "output",
        ),
        ({"miniBatchSize": 0}, "miniBatchSize"),
        ({"miniBatchSize": "lots"}, "miniBatchSize"),
        ({"miniBatchSize": 10**30}, "miniBatchSize"),
        ({"errorThreshold": -2}, "errorThreshold"),
        ({"retrySettings": {"timeout": "30 s"}}, "timeout"),
        ({"compute": {"instanceCount": 10**6}}, "instanceCount"),
        ({"miniBatchSiez": 4}, "miniBatchSize"),
        ({"name": "../x"}, "name"),
        ({"inputData": {}}, "input"),
        ({"inputData": {"a": {"jobInputType": "UriFolder", "uri": "file:///etc"}}}, "uri"),
        ({"inputData": {"a": {"jobInputType": "MLTable", "uri": "azureml:x:1"}}}, "jobInputType"),
        ({"inputData": {"a": {"jobInputType": "Literal", "value": 3}}}, "jobInputType"),
    ],
)
def test_a_wrong_request_is_refused_with_its_field(
    host: RunningHost, overrides: dict[str, Any], target: str
) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/some"
    answer = batch.invoke(host, "files", uri, **overrides)
    assert answer.status_code == 400, answer.text
    assert target in answer.text


def test_every_fault_is_told_at_once(host: RunningHost) -> None:
    wrong: dict[str, Any] = {"miniBatchSize": 0, "errorThreshold": -9, "outputFileName": ""}
    answer = batch.invoke(host, "files", "azureml:x:1", **wrong)
    assert {d["target"] for d in answer.json()["error"]["details"]} >= {
        f"properties.{name}" for name in wrong
    }


def test_an_input_that_is_not_there_or_empty_fails_the_job_with_its_reason(
    host: RunningHost,
) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/no/such/folder"
    answer = batch.invoke(host, "files", uri)
    if answer.status_code == 201:
        shown = batch.ended(host, answer.json()["name"])
        assert shown["status"] == "Failed"
        assert "no/such/folder" in json.dumps(shown["error"])
    else:
        assert answer.status_code in (400, 404)


def test_an_endpoint_without_a_default_says_so(host: RunningHost) -> None:
    body = {"location": "local", "properties": {}}
    host.workspace.mutate("PUT", "batchEndpoints/aimless", body)
    answer = batch.invoke(host, "aimless", batch.data(host, GOOD))
    assert answer.status_code == 400
    assert "No valid deployments to route to" in answer.json()["error"]["message"]
    header = {"azureml-model-deployment": "nobody"}
    assert batch.invoke(host, "aimless", "azureml:x:1", headers=header).status_code == 404


@pytest.mark.cluster
def test_a_worker_that_cannot_start_fails_the_job_with_its_reason(host: RunningHost) -> None:
    batch.batch(host, "broken", "import no_weights\n")
    name = batch.started(host, "broken", batch.data(host, GOOD))
    shown = batch.ended(host, name)
    assert shown["status"] == "Failed"
    assert "no_weights" in json.dumps(shown["error"])


def test_invoking_needs_a_token_that_may(host: RunningHost) -> None:
    url = f"{host.url}/endpoints/files/jobs"
    assert host.workspace.http.post(url, json={}).status_code == 401
    serving.endpoint(host, "online")
    key = serving.key(host, "online")
    headers = {"authorization": f"Bearer {key}"}
    assert host.workspace.http.post(url, json={}, headers=headers).status_code == 401


def test_an_endpoints_jobs_outlive_it(host: RunningHost) -> None:
    batch.batch(host, "passing")
    name = batch.started(host, "passing", batch.data(host, GOOD))
    batch.ended(host, name)
    host.workspace.mutate("DELETE", "batchEndpoints/passing")
    assert batch.job(host, name)["status"] == "Completed"
