"""A host over the cloud adapters: files into the inbox and out of scripts, and its end."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq
import pytest

from outside import scoring_files, serving
from outside.running_host import RunningHost
from tests.cloud import jobs
from tests.kit.hosts.forking import forked
from tests.kit.waiting import until

SCRIPT = """
import os
import threading


def init():
    pass


def run(mini_batch):
    out = os.environ["AZUREML_BI_OUTPUT_PATH"]
    for path in mini_batch:
        name = os.path.basename(path)
        folder = os.path.join(out, "by name", name[0])
        os.makedirs(folder, exist_ok=True)
        with open(path) as file, open(os.path.join(folder, name), "w") as copy:
            copy.write(file.read().upper())
        with open(os.path.join(out, f"seen-{os.getpid()}.log"), "a") as log:
            log.write(name + "\\n")
    return [None] * len(mini_batch)


def shutdown():
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "last words.txt"), "w") as file:
        file.write("bye")
"""


@pytest.fixture(scope="module")
def host(
    installation: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    data = tmp_path_factory.mktemp("host") / "data"
    arguments = ("--http", "--port", "0")
    with RunningHost(data, *arguments, environment=installation, launch=forked) as host:
        serving.environment(host)
        yield host
        assert not host.faults()


def test_a_scripts_own_files_are_in_the_jobs_output_folder_when_it_is_over(
    host: RunningHost,
) -> None:
    scoring_files.batch(
        host, "copies", SCRIPT, maxConcurrencyPerInstance=2, outputAction="SummaryOnly"
    )
    names = [f"{i % 3}-{i:02}.txt" for i in range(12)]
    data = scoring_files.data(host, {name: f"text {name}" for name in names})
    shown = jobs.completed(host, jobs.start(host, "copies", data))
    folder = shown["outputs"]["score"]["uri"].partition("/paths/")[2].rstrip("/")

    def read(name: str) -> str:
        return host.workspace.read_blob("workspaceblobstore", f"{folder}/{name}")

    for name in names:
        assert read(f"by name/{name[0]}/{name}") == f"TEXT {name.upper()}"
    until(lambda: not host.processes(" work "), what="the workers have ended")
    left = host.data_dir / "compute" / "outputs"
    until(lambda: not any(p.is_dir() for p in left.iterdir()), what="nothing stays here")
    assert read("last words.txt") == "bye"


def test_the_overview_and_figures_are_there(host: RunningHost) -> None:
    found = host.workspace.get("overview")["properties"]
    assert "copies" in [each["name"] for each in found["batchEndpoints"]]
    insights = "batchEndpoints/copies/providers/Microsoft.Insights"
    defined = host.workspace.get(f"{insights}/metricDefinitions")["value"]
    # Hosts on shared stores write once a minute: there is no finer grain.
    assert defined[0]["metricAvailabilities"][0]["timeGrain"] == "PT1M"
    asked = "aggregation=Total&interval=FULL&$filter=status eq '*'"
    jobs_of = host.workspace.get(f"{insights}/metrics?metricnames=Jobs&{asked}")
    assert jobs_of["value"][0]["source"] == "Store"


def test_failed_files_are_mended_scored_again_and_their_rows_stand_among_the_others(
    host: RunningHost, tmp_path: Path
) -> None:
    def put(number: int, text: str) -> None:
        (tmp_path / "file").write_text(text)
        host.workspace.put_blob("workspaceblobstore", f"mended/{number}.txt", tmp_path / "file")

    jobs.endpoint(host, "squares", jobs.SAYS_NOTHING_OF_ITS_HOST)
    bad = {"1.txt", "4.txt"}
    for number in range(6):
        put(number, "bad" if f"{number}.txt" in bad else f"{number} 1{number}")
    first = [
        scoring_files.started(
            host,
            "squares",
            "azureml://datastores/workspaceblobstore/paths/mended",
            outputFormat=output_format,
            # Of this Python, as the environment is; a model brings its own.
            environmentVariables={"PYTHONPATH": str(Path(pyarrow.__file__).parents[1])},
        )
        for output_format in ("Csv", "Parquet")
    ]
    rows = [(f"{n}.txt", f"{k}", f"{(10 * k + n) ** 2}") for n in range(6) for k in range(2)]
    for job in first:
        shown = jobs.completed(host, job)
        assert shown["progress"]["failedFiles"] == 2
        assert predictions(host, shown) == [row for row in rows if row[0] not in bad]

    put(1, "1 11")
    put(4, "4 14")
    again = [host.workspace.call("POST", f"jobs/{job}/retryFailed").json()["name"] for job in first]
    for job in again:
        shown = jobs.completed(host, job)
        assert (shown["progress"]["totalFiles"], shown["progress"]["failedFiles"]) == (2, 0)
        assert predictions(host, shown) == rows


def predictions(host: RunningHost, shown: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Input file, row and prediction of every row of a job's results, in order."""
    if shown["settings"]["outputFormat"] == "Csv":
        return jobs.in_order(jobs.rows(host, shown))
    folder = shown["outputs"]["score"]["uri"].partition("/paths/")[2]
    manifest = json.loads(
        host.workspace.read_blob("workspaceblobstore", f"{folder}/_manifest.json")
    )
    assert manifest["state"] == "complete"
    parts = []
    for part in manifest["parts"]:
        content = host.workspace.read_bytes("workspaceblobstore", f"{folder}/{part['name']}")
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            part["length"],
            part["digest"],
        )
        parts.append(pq.read_table(io.BytesIO(content)))
    rows = pyarrow.concat_tables(parts, promote_options="permissive").to_pylist()
    assert len(rows) == manifest["rows"]
    return [(r["input_file"], str(r["input_row"]), str(r["prediction"])) for r in rows]


def drops(host: RunningHost) -> list[str]:
    return [job["name"] for job in host.workspace.get("batchEndpoints/drops/jobs")["value"]]


def scored(host: RunningHost, job: str) -> list[str]:
    return [name for name, _, _ in jobs.in_order(jobs.rows(host, jobs.completed(host, job)))]


def test_dropped_files_become_one_job_and_a_host_that_never_saw_them_starts_no_other(
    host: RunningHost, installation: dict[str, str], tmp_path: Path
) -> None:
    scoring_files.batch(host, "drops")
    names = [f"{number}.csv" for number in range(6)]
    for name in [*names, "_SUCCESS"]:
        (tmp_path / name).write_text(f"row of {name}")
        host.workspace.put_blob("batchinbox", f"drops/deep/{name}", tmp_path / name)
    until(lambda: drops(host), what="a job for what was dropped")
    [first] = drops(host)
    assert scored(host, first) == [f"deep/{name}" for name in names]

    # The last test of this host: another one is alone with the inbox, which it lists from
    # the beginning. With news of the last file it has told of all.
    assert host.stop() == 0
    arguments = ("--http", "--port", "0")
    with RunningHost(tmp_path / "new", *arguments, environment=installation) as new:
        for name in ("A.csv", "_SUCCESS"):
            (tmp_path / name).write_text("row of a new file")
            new.workspace.put_blob("batchinbox", f"drops/zz/{name}", tmp_path / name)
        until(lambda: len(drops(new)) > 1, what="a job for the new file")
        [second] = set(drops(new)) - {first}
        assert scored(new, second) == ["zz/A.csv"]
        assert not new.faults()


def test_a_host_stopped_right_after_it_is_ready_ends_without_a_fault(
    installation: dict[str, str], tmp_path: Path
) -> None:
    """Its links to Service Bus are opening then. Some moments are worse than others: the
    steps of opening are gone through one by one in tests/infra/cloud."""
    arguments = ("--http", "--port", "0")
    with RunningHost(tmp_path / "data", *arguments, environment=installation) as host:
        assert host.stop() == 0
        assert not host.faults()
