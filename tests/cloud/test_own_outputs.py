"""What a script writes by itself, over the cloud adapters."""

from pathlib import Path

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


def test_a_scripts_own_files_are_in_the_jobs_output_folder_when_it_is_over(
    installation: dict[str, str], tmp_path: Path
) -> None:
    with RunningHost(tmp_path / "data", "--http", "--port", "0", environment=installation) as host:
        serving.environment(host)
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
        assert not host.faults()
