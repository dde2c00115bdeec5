"""A host that is stopped, killed and started again, and disks that fill."""

import collections
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.client import CallFailed
from outside import scoring_files as batch
from outside import serving
from outside.running_host import ROOT, RunningHost, command
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, until


def served(host: RunningHost) -> str:
    """An endpoint `one` with deployments `blue` and `red`; the code they run."""
    serving.environment(host)
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    serving.endpoint(host, "one")
    serving.deploy(host, "one/blue", code, count=2)
    serving.deploy(host, "one/red", code)
    serving.traffic(host, "one", blue=60, red=40)
    return code


def all_answer(client: httpx.Client) -> bool:
    named = [{"azureml-model-deployment": name} for name in ("blue", "red")]
    return all(client.post("", json={}, headers=h).status_code == 200 for h in named)


def assert_costs_are_what_the_log_tells(host: RunningHost, killed: float) -> None:
    """Seconds of instances of `one`, by the ledger, beside those between the lines of the log: one
    that runs on is counted up to the moment, and none for longer than it ran."""
    asked = time.time()
    today = datetime.fromtimestamp(asked, UTC).date()
    days = [(today + timedelta(days=apart)).isoformat() for apart in (-1, 1)]
    body = {
        "timeframe": "Custom",
        "timePeriod": dict(zip(("from", "to"), days, strict=True)),
        "dataset": {
            "aggregation": {"time": {"name": "UsageQuantity"}},
            "grouping": [{"name": "Deployment"}],
            "filter": {"dimensions": {"name": "Meter", "values": ["InstanceSeconds"]}},
        },
    }
    path = "providers/Microsoft.CostManagement/query"
    found = host.workspace.call("POST", path, body).json()["properties"]["rows"]
    counted = {deployment: seconds for seconds, deployment, _ in found}
    answered = time.time()
    most, least = (
        collections.defaultdict[str, float](float),
        collections.defaultdict[str, float](float),
    )
    began: dict[str, float] = {}
    ready: dict[str, float] = {}
    for line in host.story(endpoint="one"):
        at, id, deployment = _time(line), line.get("instance", ""), line.get("deployment", "")
        match line["action"]:
            case "instance_started" | "instance_restarted":
                if id in began:
                    most[deployment] += killed - began[id]
                began[id] = at
                ready.pop(id, None)
            case "instance_ready":
                ready[id] = at
            case "instance_died" | "instance_given_up" | "instance_stopped":
                most[deployment] += at - began.pop(id, at)
                ready.pop(id, None)
    for id, at in began.items():
        name = id.partition("-")[0]
        most[name] += answered - at
        least[name] += max(asked - ready[id], 0) if id in ready and ready[id] > killed else 0
    assert set(counted) == set(most)
    for name, seconds in counted.items():
        assert least[name] - 0.1 <= seconds <= most[name] + 0.1, (name, counted, least, most)
    assert all(least[name] for name in ("blue", "red"))


def _time(line: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(line["time"]).timestamp()


def test_a_killed_host_goes_on_where_it_was_on_another_port(fleet: Fleet, tmp_path: Path) -> None:
    with fleet.hosting(tmp_path / "data") as host:
        gate = host.meeting / "open"
        code = served(host)
        keys = [serving.key(host, "one", which) for which in ("primaryKey", "secondaryKey")]
        batch.batch(host, "files")
        names = [f"{number:03}.csv" for number in range(30)]
        uri = batch.data(host, {name: name for name in names})
        job = batch.started(
            host,
            "files",
            uri,
            environmentVariables={"GATE": str(gate)},
            compute={"instanceCount": 2},
        )
        until(lambda: (p := batch.job(host, job)["progress"]) and p["inFlight"])
        body = serving.deployment_body(host, code)
        put = host.workspace.call("PUT", "onlineEndpoints/one/deployments/green", body)
        assert put.status_code == 201
        before = {e["name"] for e in host.workspace.get("onlineEndpoints")["value"]}
        url = host.url
        host.kill()
        killed = time.time()
        until(lambda: not host.processes(), "no process of the killed host")

        host.start()
        gate.touch()
        assert host.url != url
        assert {e["name"] for e in host.workspace.get("onlineEndpoints")["value"]} == before
        assert keys == [serving.key(host, "one", which) for which in ("primaryKey", "secondaryKey")]
        with serving.caller(host, "one") as client:
            until(lambda: all_answer(client))
        path = "onlineEndpoints/one/deployments/green"
        until(lambda: _state(host, path) == "Succeeded")
        shown = batch.ended(host, job)
        assert shown["status"] == "Completed"
        assert [name for name, _, _ in batch.rows(host, shown)] == names
        # What was registered under the old address is still found.
        serving.deploy(host, "one/late", code)
        assert batch.ended(host, batch.started(host, "files", uri))["status"] == "Completed"
        if fleet.name == "processes":
            assert_costs_are_what_the_log_tells(host, killed)
        assert host.stop() == 0
        until(lambda: not host.processes(), "nothing of it is left")
    assert not host.faults()


def test_jobs_that_ended_long_ago_go_and_their_results_stay(fleet: Fleet, tmp_path: Path) -> None:
    with fleet.hosting(tmp_path / "data") as host:
        serving.environment(host)
        batch.batch(host, "files")
        job = batch.started(host, "files", batch.data(host, {"a.csv": "a"}))
        shown = batch.ended(host, job)
        assert host.stop() == 0
        host.environment["ML_ENDPOINTS_JOB_RETENTION_DAYS"] = "0.000001"
        host.start()
        until(lambda: job not in [each["name"] for each in host.workspace.get("jobs")["value"]])
        assert batch.rows(host, shown) == [("a.csv", "0", "A")]
        logs = batch.output(host, shown, "logs").relative_to(host.data_dir)
        until(lambda: not [file for file in host.files(str(logs)) if file.suffix == ".txt"])


def _state(host: RunningHost, path: str) -> str:
    state: str = host.workspace.get(path)["properties"]["provisioningState"]
    return state


def _refuses(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(PATIENCE)
        return caller.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_requests_end_and_leaves_nothing(
    fleet: Fleet, tmp_path: Path, number: int
) -> None:
    with fleet.hosting(tmp_path / "data", launch=command) as host:
        served(host)
        port = int(host.url.rpartition(":")[2])
        answers: list[httpx.Response] = []
        with serving.caller(host, "one") as client, host.client() as idle:
            idle.get("/healthz")
            until(lambda: all_answer(client))
            hold = serving.Hold(host)
            sending = threading.Thread(
                target=lambda: answers.append(client.post("", json=hold.asked))
            )
            sending.start()
            until(hold.in_hand)
            host.signal(number)
            until(lambda: _refuses(port), "a host that lets nobody in")
            hold.open()
            # The idle caller is still there, and the grace is an hour.
            assert host.ended() == 0
            sending.join()
            assert answers[0].status_code == 200
        until(lambda: not host.processes(), "nothing of it is left")
        assert not host.connection_file.exists()
        assert not host.faults()


def test_the_door_for_scripts_is_as_it_is_said(fleet: Fleet, tmp_path: Path) -> None:
    with fleet.hosting(tmp_path / "data", "--port", "0", "--http", launch=command) as host:
        connection = host.connection
        assert set(connection) == {
            *("url", "ca_file", "token_url", "client_id", "client_secret"),
            *("workspace", "inbox"),
        }
        assert stat.S_IMODE(host.connection_file.stat().st_mode) == 0o600
        assert connection["url"].startswith("http://127.0.0.1:")
        assert connection["workspace"].startswith("/subscriptions/")
        assert Path(connection["inbox"]).is_dir()
        assert f"ready {connection['url']}" in host.output.read_text().splitlines()
        for path in ("/healthz", "/readyz"):
            assert httpx.get(connection["url"] + path, timeout=PATIENCE).status_code == 200
        refused = subprocess.run(
            [
                *(sys.executable, "-m", "infra.embedded"),
                *("--port", "0", "--data-dir", str(host.data_dir)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert refused.returncode == 2
        assert "in use by another host" in refused.stderr
        assert host.workspace.http.get(connection["url"] + "/readyz").status_code == 200


def test_wrong_settings_are_told_all_at_once(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "infra.embedded", "--port", "0", "--data-dir", str(tmp_path / "d")],
        cwd=ROOT,
        env={
            **os.environ,
            "ML_ENDPOINTS_LOG_LEVEL": "LOUD",
            "ML_ENDPOINTS_WORKSPACE": "a b",
            "ML_ENDPOINTS_DROP_QUIET_PERIOD": "soon",
            "ML_ENDPOINTS_SWEEP_SCHEDULE": "never",
            "ML_ENDPOINTS_SUBSCRIPTION": "x",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    for name in ("LOG_LEVEL", "WORKSPACE", "DROP_QUIET_PERIOD", "SWEEP_SCHEDULE", "SUBSCRIPTION"):
        assert f"ML_ENDPOINTS_{name}" in refused.stderr
    assert "did you mean ML_ENDPOINTS_SUBSCRIPTION_ID" in refused.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_fills_ends_in_clear_errors_and_loses_nothing(
    fleet: Fleet, small_disk: Path, tmp_path: Path
) -> None:
    filler = small_disk / "filler"

    def fill(but: int = 0) -> None:
        about = os.statvfs(small_disk)
        # The host writes meanwhile: then it is full a little sooner.
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            file.write(bytes(about.f_bavail * about.f_frsize - but))

    output = tmp_path / "output"
    often = {"ML_ENDPOINTS_SWEEP_SCHEDULE": "* * * * * *", "ML_ENDPOINTS_DISK_RESERVE": "8Mi"}
    with fleet.hosting(small_disk / "data", environment=often, output=output) as host:
        served(host)
        batch.batch(host, "files")
        names = [f"{number:03}.csv" for number in range(20)]
        uri = batch.data(host, {name: name for name in names})
        # Who has the keys already: reading them is an act that is kept.
        client = serving.caller(host, "one")
        fill(but=7 * 2**20)
        assert all_answer(client)
        # Reading it writes nothing, and what is left is not used up by trying.
        until(lambda: not host.workspace.get("storage")["properties"]["disk"]["takesNewWork"])
        told = batch.invoke(host, "files", uri).json()["error"]["message"]
        assert "less free than the 8 MiB" in told
        serving.endpoint(host, "small")
        fill()
        assert all_answer(client)
        client.close()
        with pytest.raises(CallFailed, match="507 InsufficientStorage"):
            serving.endpoint(host, "two")
        with pytest.raises(CallFailed, match=r"507 .*InsufficientStorage"):
            batch.data(host, {"a": "b"})
        assert batch.invoke(host, "files", uri).status_code == 507
        filler.unlink()
        serving.endpoint(host, "two")
        until(lambda: host.workspace.get("storage")["properties"]["disk"]["takesNewWork"])
        shown = batch.ended(host, batch.started(host, "files", uri))
        assert shown["status"] == "Completed"
        assert [name for name, _, _ in batch.rows(host, shown)] == names
        assert host.stop() == 0
        fill()
        host.spawn()
        assert host.ended() == 2, host.output.read_text()
        assert "the host cannot run" in host.output.read_text()
        filler.unlink()
        host.start()
        assert json.dumps(host.workspace.get("onlineEndpoints")).count('"two"') >= 1
