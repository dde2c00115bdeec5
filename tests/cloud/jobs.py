"""A batch job on the cloud adapters, as its owner sees it through one of the hosts."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import httpx

from outside import scoring_files, serving
from outside.running_host import RunningHost
from tests.kit.waiting import until

FILES = 24

SCRIPT = """
import os
import time


def init():
    pass


def pass_the_gate(gate, name):
    if not gate:
        return
    with open(os.path.join(gate, name + ".draft"), "w") as file:
        file.write(os.getcwd())
    os.replace(file.name, os.path.join(gate, name + ".at"))
    passes = [os.path.join(gate, each) for each in (name + ".pass", "open")]
    while not any(map(os.path.exists, passes)):
        time.sleep(0.01)


def run(mini_batch):
    pass_the_gate(os.environ.get("GATE"), os.path.basename(mini_batch[0]))
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


class Gate:
    """Where each unit of a job waits to be let pass."""

    def __init__(self, host: RunningHost) -> None:
        meeting = host.environment["ML_ENDPOINTS_SCRIPT_WRITABLE"]
        self.folder = Path(tempfile.mkdtemp(dir=meeting))
        self.folder.chmod(0o777)

    def waiting_at(self, host: RunningHost) -> list[str]:
        """The units that wait at this host's workers."""
        return [
            at.stem
            for at in self.folder.glob("*.at")
            if not at.with_suffix(".pass").exists() and str(host.data_dir) in at.read_text()
        ]

    def let_pass(self, unit: str) -> None:
        (self.folder / f"{unit}.pass").touch()

    def open(self) -> None:
        (self.folder / "open").touch()


def start(host: RunningHost, endpoint: str, data: str, gate: Gate | None = None) -> str:
    given = {"environmentVariables": {"GATE": str(gate.folder)}} if gate else {}
    return scoring_files.started(host, endpoint, data, **given)


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


def completed(host: RunningHost, job: str) -> dict[str, Any]:
    shown = scoring_files.ended(host, job)
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
    """It does."""
    until(
        lambda: score(host, name, key).status_code == 200,
        what=f"{name} answers at {host.url}",
    )
