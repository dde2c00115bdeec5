"""What docs/operating.md says of backup and restore, done as it says."""

import shutil
import subprocess
import sys
from pathlib import Path

from outside import scoring_files as batch
from outside import serving
from outside.running_host import ROOT, RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import until

NAMES = [f"{number}.csv" for number in range(6)]
SLOW = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": "0.2"}


def documented() -> str:
    """The commands of a backup while the host runs."""
    text = (ROOT / "docs" / "operating.md").read_text()
    _, _, after = text.partition("```sh\n")
    return after.partition("```")[0]


def back_up(data: Path, to: Path) -> None:
    commands = documented().replace("DATA=.data BACKUP=backup", f"DATA={data} BACKUP={to}")
    assert f"backup --data-dir {data}" in commands or f"DATA={data}" in commands
    subprocess.run(["bash", "-e", "-c", commands], cwd=ROOT, check=True)


def scored(host: RunningHost, key: str) -> bool:
    answer = host.workspace.http.post(
        f"{host.url}/endpoints/one/score",
        json={"asked": "yes"},
        headers={"authorization": f"Bearer {key}"},
    )
    return answer.status_code == 200 and answer.json() == {"asked": "yes"}


def jobs_of_drops(host: RunningHost) -> list[str]:
    found = host.workspace.get("batchEndpoints/files/jobs")["value"]
    return [j["name"] for j in found if "ml_endpoints.drop" in j["properties"]["properties"]]


def test_a_copy_of_a_running_host_is_restored_elsewhere(fleet: Fleet, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with fleet.hosting(tmp_path / "data", environment=SLOW) as host:
        serving.environment(host)
        serving.endpoint(host, "one")
        code = serving.codes(host, "echo", {"score.py": serving.ECHO})
        serving.deploy(host, "one/blue", code)
        serving.traffic(host, "one", blue=100)
        key = serving.key(host, "one")
        batch.batch(host, "files")
        uri = batch.data(host, {name: f"{name}\n" for name in NAMES})
        done = batch.started(host, "files", uri)
        rows = batch.rows(host, batch.ended(host, done))
        partly = batch.started(host, "files", batch.data(host, {"a.csv": "a\n", "b.csv": "raise"}))
        assert batch.ended(host, partly)["progress"]["failedFiles"] == 1
        dropped = host.inbox / "files" / "dropped.csv"
        dropped.parent.mkdir(parents=True, exist_ok=True)
        dropped.write_text("dropped\n")
        [first] = until(lambda: jobs_of_drops(host), "a job of the drop")
        batch.ended(host, first)
        gate = host.meeting / "gate"
        held = {"environmentVariables": {"GATE": str(gate)}}
        running = batch.started(host, "files", uri, **held)
        until(lambda: (batch.job(host, running)["progress"] or {}).get("inFlight"), "a unit")
        back_up(host.data_dir, copy)
        host.kill()
    shutil.rmtree(tmp_path / "data")
    gate.touch()
    same = {"ML_ENDPOINTS_SCRIPT_WRITABLE": str(gate.parent)}
    with fleet.hosting(copy, environment={**SLOW, **same}) as host:
        # It answers, and waits: no job goes on, and what is invoked is taken and no more.
        assert batch.rows(host, batch.job(host, done)) == rows
        assert '"host_paused"' in host.log()
        until(lambda: scored(host, key), "an answer to the key of before")
        taken = batch.invoke(host, "files", uri).json()["name"]
        assert batch.job(host, taken)["status"] == "NotStarted"
        assert batch.job(host, running)["status"] == "Running"
        resumed = [sys.executable, "-m", "infra.embedded", "resume", "--data-dir", str(copy)]
        subprocess.run(resumed, cwd=ROOT, check=True)
        batch.ended(host, taken)
        batch.ended(host, running)
        told = host.workspace.call("POST", f"jobs/{partly}/retryFailed").json()["name"]
        assert batch.ended(host, told)["error"]["code"] == "RetriedOutputGone"
        until(lambda: len(jobs_of_drops(host)) == 2, "what lies in the inbox, scored again")
        after = batch.invoke(host, "files", uri).json()["name"]
        assert batch.rows(host, batch.ended(host, after)) == rows
        again = host.workspace.call("POST", f"jobs/{running}/retryFailed").json()["name"]
        shown = batch.ended(host, again)
        assert shown["status"] == "Completed"
        assert batch.rows(host, shown) == rows
