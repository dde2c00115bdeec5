"""One host after another on a data folder and a listener, under traffic."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost, command
from outside.waiting import PATIENCE, until
from tests.fleets.fleet import Fleet

UPGRADES = int(os.environ.get("UPGRADES", "2"))
FILES_FOR_EACH = 5
_BREATH = 0.01
SCRIPT = """
import json
import os
import time


def init():
    hold = os.environ.get("HOLD", "")
    while os.path.exists(hold):
        time.sleep(0.01)


def run(data):
    asked = json.loads(data)
    return pieces(asked["until"]) if "until" in asked else asked


def pieces(gate):
    yield "begun "
    while not os.path.exists(gate):
        time.sleep(0.01)
    yield "ended"
"""
WORK = """
import os
import time


def init():
    pass


def run(mini_batch):
    upgrade = os.path.basename(mini_batch[0]).partition("-")[0]
    while not os.path.exists(os.path.join(os.environ["GATES"], upgrade)):
        time.sleep(0.01)
    return [[{"prediction": open(path).read().upper()}] for path in mini_batch]
"""
"""Of each upgrade some files wait until it is over."""


class Caller:
    """Asks again and again, with a breath in between, until it is to stop."""

    def __init__(self, ask: Callable[[], httpx.Response]) -> None:
        self.answered = 0
        self.faults: list[str] = []
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_BREATH):
            try:
                answer = self._ask()
            except httpx.HTTPError as error:
                self.faults.append(repr(error))
            else:
                self.answered += 1
                if answer.status_code != 200:
                    self.faults.append(f"{answer.status_code} {answer.text}")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Stream:
    """An answer that does not end before `gate` is there."""

    def __init__(self, client: httpx.Client, gate: Path) -> None:
        self.text = ""
        self._gate = gate
        self._reading = threading.Thread(target=self._read, args=(client,))
        self._reading.start()
        until(lambda: self.text, "the beginning of a stream")

    def _read(self, client: httpx.Client) -> None:
        with client.stream("POST", "", json={"until": str(self._gate)}) as answer:
            for piece in answer.iter_text():
                self.text += piece

    def end(self) -> str:
        """All of it."""
        self._gate.touch()
        self._reading.join()
        return self.text


@contextmanager
def callers(host: RunningHost) -> Iterator[list[Caller]]:
    """On new connections and on kept ones, at a model and at the control plane."""
    with (
        serving.caller(host, "one") as kept,
        host.client(headers=host.bearer()) as control,
        serving.caller(host, "one", limits=httpx.Limits(max_keepalive_connections=0)) as new,
    ):
        path = f"{host.workspace.connection['workspace']}/onlineEndpoints/one"
        asking = [
            Caller(lambda: kept.post("", json={"of": "kept"})),
            Caller(lambda: new.post("", json={"of": "new"})),
            Caller(lambda: control.get(path, params={"api-version": "2024-10-01"})),
        ]
        try:
            yield asking
        finally:
            for caller in asking:
                caller.stop()


def have_answers(asking: list[Caller]) -> None:
    """Each has some more than now."""
    before = [caller.answered for caller in asking]
    until(lambda: all(c.answered > b + 2 for c, b in zip(asking, before, strict=True)))


def served(host: RunningHost, **variables: str) -> str:
    """An endpoint `one` with a deployment `blue`; the code that it runs."""
    serving.environment(host)
    serving.endpoint(host, "one")
    code = serving.codes(host, "streams", {"score.py": SCRIPT})
    at_once = {"maxConcurrentRequestsPerInstance": 8}
    given = {"environmentVariables": variables, "requestSettings": at_once}
    serving.deploy(host, "one/blue", code, **given)
    serving.traffic(host, "one", blue=100)
    return code


def successor_of(fleet: Fleet, host: RunningHost) -> RunningHost:
    output = host.output.with_name("successor.out")
    arguments = ("--port", "0", "--take-over")
    return fleet.host(host.data_dir, *arguments, output=output, launch=command)


def test_upgrades_under_traffic_lose_no_request(fleet: Fleet, tmp_path: Path) -> None:
    # To take over where no host runs is to start.
    arguments = ("--port", "0", "--take-over")
    soon = {"ML_ENDPOINTS_STOP_GRACE": "0.2"}
    with fleet.hosting(tmp_path / "data", *arguments, environment=soon) as host:
        served(host)
        batch.batch(host, "files", WORK)
        numbers = range(UPGRADES)
        names = [f"{number:02}-{n}.csv" for number in numbers for n in range(FILES_FOR_EACH)]
        uri = batch.data(host, {name: name for name in names})
        url = host.url
        gates = {"environmentVariables": {"GATES": str(host.meeting)}}
        job = batch.started(host, "files", uri, **gates)
        with callers(host) as asking, serving.caller(host, "one") as idle:
            have_answers(asking)
            for number in numbers:
                assert idle.post("", json={}).status_code == 200
                stream = Stream(idle, host.meeting / f"{number:02}")
                until(lambda: (batch.job(host, job)["progress"] or {}).get("inFlight"))
                before = host.upgrade()
                have_answers(asking)
                assert before.poll() is None, "it has a stream in flight"
                assert stream.end() == "begun ended"
                assert before.wait(timeout=PATIENCE) == 0
        assert host.url == url
        assert [caller.faults for caller in asking] == [[], [], []]
        shown = batch.ended(host, job)
        assert shown["status"] == "Completed"
        assert sorted(name for name, _, _ in batch.rows(host, shown)) == names
        assert host.stop() == 0
        until(lambda: not host.processes(), "nothing of it is left")
    assert not host.faults()


@pytest.mark.only_processes("a successor has nothing to start where instances go on")
def test_until_a_successor_is_up_the_host_before_answers_everything(
    fleet: Fleet, tmp_path: Path
) -> None:
    with fleet.hosting(tmp_path / "data") as host, closing(successor_of(fleet, host)) as successor:
        hold = host.meeting / "hold"
        code = served(host, HOLD=str(hold))
        batch.batch(host, "files")
        uri = batch.data(host, {"a.csv": "a"})
        hold.touch()
        with callers(host) as asking, serving.caller(host, "one") as client:
            successor.spawn()
            until(lambda: host.log().count("a successor is there") == 1)
            os.kill(successor.pid, signal.SIGKILL)
            successor.ended()
            until(lambda: "gone before it was ready" in host.log())
            # What it had taken goes on here.
            job = batch.started(host, "files", uri)
            assert batch.ended(host, job)["status"] == "Completed"
            have_answers(asking)

            successor.spawn()
            until(lambda: host.log().count("a successor is there") == 2)
            # What this one is asked for runs on the other, and is reached all the same.
            serving.deploy(host, "one/green", code)
            green = {"azureml-model-deployment": "green"}
            assert client.post("", json={"of": "green"}, headers=green).json() == {"of": "green"}
            have_answers(asking)
            assert not successor.is_ready()
            hold.unlink()
            assert host.ended() == 0
            host.workspace.http.close()
            # It says so when it has taken over, which is when the other begins to end.
            until(successor.is_ready, "the successor is ready")
            have_answers(asking)
            assert client.post("", json={"of": "green"}, headers=green).json() == {"of": "green"}
        assert [caller.faults for caller in asking] == [[], [], []]
        os.kill(successor.pid, signal.SIGTERM)
        assert successor.ended() == 0
        until(lambda: not successor.processes(), "nothing of it is left")
