"""A scoring script does not own the installation: what one tries that is out for it, online and in
a batch job, and what it is let do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from outside import scoring_files as batch
from outside import serving
from outside.running_host import ROOT, RunningHost
from tests.kit.stages.isolation import processes_of
from tests.kit.waiting import until

pytestmark = pytest.mark.only_processes("test_hostile_containers.py has those of containers")
SCRIPT = (Path(__file__).parent / "hostile_script.py").read_text()
MOST = 2048
"""Threads and processes of one script."""
NEEDS: Mapping[str, tuple[str, ...]] = {
    "read": ("files",),
    "write": ("files",),
    "speak": ("files", "local sockets"),
    "signal": ("processes",),
    "end": ("processes",),
    "become": ("privileges", "user"),
    "reach": ("cloud metadata",),
}
"""By what an attempt begins with: the parts of isolation that stand against it."""


@pytest.fixture(scope="module")
def neighbour(host: RunningHost) -> str:
    """Another deployment, and the socket of its instance."""
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    serving.endpoint(host, "neighbour")
    serving.deploy(host, "neighbour/blue", code)
    bound = {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()}
    [socket] = [path for path in bound if path.endswith(".s") and _serves(path, host)]
    return socket


def _serves(socket: str, host: RunningHost) -> bool:
    """There are those of other hosts, too, which go at any moment."""
    try:
        return Path(socket).with_name("owner").read_text() == str(host.pid)
    except OSError:
        return False


@pytest.fixture
def asked(host: RunningHost, neighbour: str) -> dict[str, Any]:
    data = host.data_dir
    keys = [*(data / "secrets").iterdir(), *(data / "tls").glob("*.key"), data / "cipher.key"]
    [environment] = [
        folder for folder in (data / "compute" / "environments").iterdir() if folder.is_dir()
    ]
    workspace = host.workspace.connection["workspace"]
    return {
        "secrets": [
            *map(str, [key for key in keys if key.is_file()]),
            *map(str, [data / "connection.json", data / "documents.db"]),
            *(f"/proc/{host.pid}/{name}" for name in ("environ", "mem", "maps")),
            f"/proc/{host.pid}/root/etc/hostname",
        ],
        "places": [str(data), str(data / "blobs"), str(environment / "bin"), "/etc", str(ROOT)],
        "sockets": [neighbour, str(data / "successors.sock")],
        "host": host.pid,
        "credential": host.bearer()["authorization"],
        "control": f"{host.url}{workspace}/onlineEndpoints?api-version=2024-10-01",
        "open": f"{host.url}/healthz",
        "threads": MOST + 50,
    }


def held(host: RunningHost, path: str) -> set[str]:
    """The parts that a deployment's document says are held here."""
    parts = host.workspace.get(path)["properties"]["isolation"]
    assert len(parts) == 10
    return {part["part"] for part in parts if part["held"]}


def check(told: Mapping[str, Any], parts: set[str]) -> None:
    let = [
        what
        for what, outcome in told["tried"].items()
        if outcome == "let" and parts.issuperset(NEEDS[what.partition(" ")[0]])
    ]
    assert let == []
    if "cloud metadata" in parts:
        assert told["tried"]["reach cloud metadata"] == "EACCES"
    if "control plane" in parts:
        assert told["tried"]["the control plane"] == 403
    assert told["tried"]["the scoring door"] == 200
    if "number of processes" in parts:
        assert 100 < told["threads"] < MOST
    if "lifetime" in parts and "user" in parts:
        assert told["processes"] < 10
    assert told["own"] == "let"
    assert told["secrets"] == []


def test_a_script_of_an_online_deployment_owns_nothing_but_its_own(
    host: RunningHost, asked: dict[str, Any]
) -> None:
    code = serving.codes(host, "hostile", {"score.py": SCRIPT})
    serving.endpoint(host, "hostile")
    serving.deploy(host, "hostile/blue", code)
    parts = held(host, "onlineEndpoints/hostile/deployments/blue")
    serving.traffic(host, "hostile", blue=100)
    with serving.caller(host, "hostile") as client:
        # Where nothing stands against it, nobody may be there to refuse.
        asked["metadata"] = "cloud metadata" in parts
        answer = client.post("", json=asked)
        assert answer.status_code == 200, answer.text
        check(answer.json(), parts)
        assert host.workspace.http.get(f"{host.url}/healthz").status_code == 200
    folder = (host.data_dir / "compute" / "assets").resolve()
    before = processes_of(folder)
    host.workspace.mutate("DELETE", "onlineEndpoints/hostile")
    if "lifetime" in parts:
        until(lambda: len(processes_of(folder)) < len(before), "the end of what it left behind")
        until(lambda: not _sleepers(folder), "the end of what left its session")


def _sleepers(folder: Path) -> list[int]:
    found = []
    for process in processes_of(folder):
        try:
            if Path(f"/proc/{process}/comm").read_text() == "sleep\n":
                found.append(process)
        except OSError:
            continue
    return found


def test_a_script_of_a_batch_job_sees_its_unit_and_no_more(
    host: RunningHost, asked: dict[str, Any]
) -> None:
    batch.batch(host, "hostile", SCRIPT, outputAction="SummaryOnly")
    parts = held(host, "batchEndpoints/hostile/deployments/main")
    others = batch.data(host, {"other.csv": "others'"})
    [other] = (host.data_dir / "blobs").rglob("other.csv")
    asked["secrets"].append(str(other))
    asked["metadata"] = "cloud metadata" in parts
    uri = batch.data(host, {"a.json": json.dumps(asked)})
    name = batch.started(host, "hostile", uri)
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed", (shown["error"], others)
    report = batch.output(host, shown) / "report.json"
    told = json.loads(report.read_text())
    check(told, parts)
    assert told["beside"] == ["a.json"]
    link = report.with_name("leaked.txt")
    assert link.is_symlink()
    path = link.relative_to(host.data_dir / "blobs").as_posix()
    store = host.workspace.http.get(f"{host.url}/blobs/{path}", headers=host.bearer())
    assert store.status_code >= 400
