"""A batch job on the cloud adapters, as its owner sees it through one of the hosts."""

import csv
import io
from typing import Any

import httpx

from tests.e2e import scoring_files, serving
from tests.e2e.running_host import RunningHost, until

FILES = 24

SCRIPT = """
import os
import time


def init():
    pass


def run(mini_batch):
    time.sleep(0.1)
    rows = []
    for path in mini_batch:
        with open(path) as file:
            text = file.read()
        if text.startswith("bad"):
            raise ValueError("this file is bad")
        rows.append([{"prediction": int(n) ** 2, **WHERE} for n in text.split()])
    return rows
"""
SAYS_NOTHING_OF_ITS_HOST = "WHERE = {}\n" + SCRIPT
SAYS_WHERE_IT_RUNS = 'import os\nWHERE = {"where": os.getcwd()}\n' + SCRIPT


def start(host: RunningHost, endpoint: str, data: str) -> str:
    return scoring_files.started(host, endpoint, data)


def endpoint(host: RunningHost, name: str, script: str) -> None:
    scoring_files.batch(host, name, script, maxConcurrencyPerInstance=2)


def numbers(host: RunningHost) -> str:
    """Data of FILES files with one to three numbers each, the eighth of them bad."""
    files = {
        f"{i:02}.txt": " ".join(str(i * 10 + k) for k in range(1 + i % 3)) for i in range(FILES)
    }
    return scoring_files.data(host, {**files, "07.txt": "bad"})


def expected() -> list[tuple[str, str, str]]:
    """Input file, row and prediction of every row, in order."""
    return [
        (f"{i:02}.txt", str(k), str((i * 10 + k) ** 2))
        for i in range(FILES)
        for k in range(1 + i % 3)
        if i != 7
    ]


def scored(host: RunningHost, job: str) -> int:
    """Mini-batches that are over."""
    progress: dict[str, int] | None = scoring_files.job(host, job)["progress"]
    if progress is None:
        return 0
    return progress["succeededMiniBatches"] + progress["failedMiniBatches"]


def completed(host: RunningHost, job: str) -> dict[str, Any]:
    shown = scoring_files.ended(host, job, within=40)
    assert shown["status"] == "Completed", shown
    return shown


def results(host: RunningHost, shown: dict[str, Any]) -> tuple[str, str]:
    """The rows and the manifest of failed files, as they were written."""
    folder = _output(shown).rpartition("/")[0]
    manifest = host.workspace.read_blob("workspaceblobstore", f"{folder}/failed_files.jsonl")
    return rows(host, shown), manifest


def rows(host: RunningHost, shown: dict[str, Any]) -> str:
    return host.workspace.read_blob("workspaceblobstore", _output(shown))


def _output(shown: dict[str, Any]) -> str:
    uri: str = shown["outputs"]["score"]["uri"]
    return uri.partition("/paths/")[2]


def table(rows: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(rows)))


def in_order(rows: str) -> list[tuple[str, str, str]]:
    return [(r["input_file"], r["input_row"], r["prediction"]) for r in table(rows)]


def online(host: RunningHost, name: str) -> None:
    """An endpoint that echoes, with one deployment that has all of its traffic."""
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    serving.endpoint(host, name)
    serving.deploy(host, f"{name}/blue", code)
    serving.traffic(host, name, blue=100)


def score(host: RunningHost, name: str, key: str) -> httpx.Response:
    return host.workspace.http.post(
        f"{host.url}/endpoints/{name}/score",
        json={"asked": "yes"},
        headers={"authorization": f"Bearer {key}"},
    )


def answers(host: RunningHost, name: str, key: str) -> None:
    """It does, within ten seconds."""
    until(
        lambda: score(host, name, key).status_code == 200,
        within=10,
        what=f"{name} answers at {host.url}",
    )
