"""A host over the cloud adapters: files into the inbox and out of scripts, and its end."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud import jobs
from tests.e2e import scoring_files, serving
from tests.e2e.running_host import RunningHost, until

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
    with RunningHost(data, "--http", "--port", "0", environment=installation) as host:
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
        new.workspace.put_blob("batchinbox", "drops/zz.csv", tmp_path / names[0])
        until(lambda: len(drops(new)) > 1, what="a job for the new file")
        [second] = set(drops(new)) - {first}
        assert scored(new, second) == ["zz.csv"]
        assert not new.faults()


def test_a_host_stopped_right_after_it_is_ready_is_gone_within_seconds(
    installation: dict[str, str], tmp_path: Path
) -> None:
    """Its links to Service Bus are opening then. Some moments are worse than others: the
    steps of opening are gone through one by one in tests/infra/cloud."""
    arguments = ("--http", "--port", "0")
    with RunningHost(tmp_path / "data", *arguments, environment=installation) as host:
        began = time.monotonic()
        assert host.stop(within=25) == 0
        assert time.monotonic() - began < 10
        assert not host.faults()
