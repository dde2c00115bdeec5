"""A data folder goes from the last release to this code, and back."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from outside import scoring_files as batch
from outside import serving
from outside.running_host import ROOT, RunningHost
from tests.e2e.host.released import last_release
from tests.e2e.webhook_receiver import Post, WebhookReceiver
from tests.kit.waiting import until

NAMES = [f"{number:02}.csv" for number in range(8)]
GATED = """
import os
import time


def init():
    pass


def run(mini_batch):
    gate = os.environ.get("GATE")
    while gate and os.path.basename(mini_batch[0]) >= "04" and not os.path.exists(gate):
        time.sleep(0.01)
    return [[{"prediction": open(path).read().upper()}] for path in mini_batch]
"""
"""Of NAMES the second half waits at the gate."""


class Installation:
    """One data folder, what was made on it, and what has to go on whatever code runs it."""

    def __init__(self, folder: Path, host: RunningHost, receiver: WebhookReceiver) -> None:
        self.folder = folder
        self.host = host
        self.receiver = receiver
        self.keys: list[str] = []
        self._dropped = 0

    def make(self) -> None:
        host = self.host
        self.subscribe()
        serving.environment(host)
        code = serving.codes(host, "echo", {"score.py": serving.ECHO})
        serving.endpoint(host, "one")
        serving.deploy(host, "one/blue", code)
        serving.traffic(host, "one", blue=100)
        self.keys = self.shown_keys()
        batch.batch(host, "files", GATED, maxConcurrencyPerInstance=2)
        host.workspace.call("PUT", "schedules/often", _schedule(batch.data(host, {"a.csv": "a"})))
        mine = "eventSubscriptions/mine"
        until(lambda: host.workspace.get(mine)["properties"]["state"] == "Active")

    def shown_keys(self) -> list[str]:
        return [serving.key(self.host, "one", which) for which in ("primaryKey", "secondaryKey")]

    def subscribe(self) -> None:
        destination = {"endpointType": "WebHook", "properties": {"endpointUrl": self.receiver.url}}
        body = {"properties": {"destination": destination}}
        self.host.workspace.call("PUT", "eventSubscriptions/mine", body)

    def leave_things_half_done(self, name: str) -> Callable[[], None]:
        """Half a job, a drop that gathers and an event that nobody took, with the host killed on
        them. What is to be called once another runs: it sees all of it done, each thing once."""
        host, gate = self.host, self.host.meeting / f"{name}.gate"
        self.receiver.answer = lambda post: 503 if _tells_of(post, name) else 204
        uri = batch.data(host, {file: f"{name}-{file}" for file in NAMES})
        given = {"environmentVariables": {"GATE": str(gate)}, "name": name}
        job = batch.started(host, "files", uri, **given)
        until(lambda: _has_come(host, job, 4), "half a job")
        dropped = self._drop(f"{name}.csv", name)
        until(lambda: _gathers(host, dropped), "an arrival")
        until(lambda: self._told_of(job), "an event that nobody takes")
        until(self.runs, "a run of the schedule")
        before = self.runs()
        host.kill()
        until(lambda: not host.processes(), "no process of the killed host")
        refused = self._told_of(job)

        def see_it_done() -> None:
            self.receiver.answer = lambda _: 204
            gate.touch()
            assert _rows(host, job) == [(file, "0", f"{name}-{file}".upper()) for file in NAMES]
            self._drop("_SUCCESS", name)
            [from_drop] = until(lambda: self._jobs_of_drops(beyond=self._dropped), "its job")
            self._dropped += 1
            assert _rows(host, from_drop) == [(f"{name}.csv", "0", name.upper())]
            until(lambda: len(self._told_of(job)) > len(refused), "the event")
            assert len({post.event["id"] for post in self._told_of(job)}) == 1
            until(lambda: set(self.runs()) - set(before), "another run of the schedule")
            assert self.shown_keys() == self.keys
            for key in self.keys:
                until(partial(self._scores, key), "an answer")

        return see_it_done

    def runs(self) -> list[str]:
        """The last times at which the schedule has started a job."""
        shown = self.host.workspace.get("schedules/often")["properties"]["lastRuns"]
        return [run["triggerTime"] for run in shown if run["status"] == "Started"]

    def _scores(self, key: str) -> bool:
        answer = self.host.workspace.http.post(
            f"{self.host.url}/endpoints/one/score",
            json={"asked": "yes"},
            headers={"authorization": f"Bearer {key}"},
        )
        return answer.status_code == 200 and answer.json() == {"asked": "yes"}

    def _drop(self, file: str, text: str) -> Path:
        target = self.host.inbox / "files" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = self.folder / "beside"
        beside.write_text(text)
        return beside.replace(target)

    def _jobs_of_drops(self, *, beyond: int) -> list[str]:
        found = self.host.workspace.get("batchEndpoints/files/jobs")["value"]
        made = [job for job in found if job["systemData"]["createdBy"] == "blob-drop"]
        made.sort(key=lambda job: str(job["systemData"]["createdAt"]))
        return [job["name"] for job in made[beyond:]]

    def _told_of(self, job: str) -> list[Post]:
        """What came for the event that the job runs."""
        return [post for post in list(self.receiver.posts) if _tells_of(post, job)]


def _tells_of(post: Post, job: str) -> bool:
    event = post.event
    type, subject = str(event["type"]), str(event["subject"])
    return type == "MlEndpoints.Job.Running" and subject.endswith(f"/{job}")


def _schedule(uri: str) -> dict[str, Any]:
    definition = {
        "endpointName": "files",
        "properties": {"inputData": {"files": {"jobInputType": "UriFolder", "uri": uri}}},
    }
    return {
        "properties": {
            "trigger": {"triggerType": "Cron", "expression": "*/2 * * * * *"},
            "action": {
                "actionType": "InvokeBatchEndpoint",
                "endpointInvocationDefinition": definition,
            },
        }
    }


def _has_come(host: RunningHost, job: str, mini_batches: int) -> bool:
    progress = batch.job(host, job)["progress"]
    return bool(progress and progress["succeededMiniBatches"] >= mini_batches)


def _rows(host: RunningHost, job: str) -> list[tuple[str, str, str]]:
    shown = batch.ended(host, job)
    assert shown["status"] == "Completed", shown
    return batch.rows(host, shown)


def _stored(host: RunningHost, query: str) -> list[Any]:
    database = sqlite3.connect(f"file:{host.data_dir / 'documents.db'}?mode=ro", uri=True)
    with closing(database):
        return database.execute(query).fetchall()


def _gathers(host: RunningHost, file: Path) -> bool:
    found = _stored(host, "SELECT body FROM documents WHERE kind = 'blobArrival'")
    return any(file.name in json.dumps(json.loads(body)) for (body,) in found)


@pytest.mark.only_processes("the last release has no other compute")
def test_a_folder_of_the_last_release_goes_on_here_and_there_again(tmp_path: Path) -> None:
    settings = {
        "ML_ENDPOINTS_PRIVATE_NETWORKS": "127.0.0.1/32",
        "ML_ENDPOINTS_DROP_QUIET_PERIOD": "3600",
    }
    host = RunningHost(tmp_path / "data", environment=settings)
    host.code = released = last_release(tmp_path / "released")
    with WebhookReceiver() as receiver, host:
        installation = Installation(tmp_path, host, receiver)
        installation.make()
        see_it_done = installation.leave_things_half_done("up")

        host.code = ROOT
        host.start()
        see_it_done()
        code = serving.codes(host, "echo", {"score.py": serving.ECHO})
        serving.deploy(host, "one/green", code)
        serving.traffic(host, "one", blue=50, green=50)
        see_it_done = installation.leave_things_half_done("back")
        assert ("1.0",) in _stored(host, "SELECT DISTINCT body ->> 'schema' FROM documents")

        host.code = released
        host.start()
        see_it_done()
        assert set(host.workspace.get("onlineEndpoints/one")["properties"]["traffic"]) == {
            "blue",
            "green",
        }
        batch.batch(host, "files", GATED, maxConcurrencyPerInstance=2)
        assert host.stop() == 0
        until(lambda: not host.processes(), "nothing of it is left")
    assert not host.faults()
