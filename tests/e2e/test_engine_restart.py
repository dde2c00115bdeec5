"""What runs in containers when their engine ends and comes back: on one of the tests' own, in a
network of its own."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from infra.compute.docker.labels import KEY
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost, command
from tests.e2e.callers import Callers
from tests.fleets.docker import DockerContainers
from tests.kit.waiting import until
from tests.servers.engine.dockerd import Dockerd, EngineApi, EngineMissing
from tests.servers.engine.given import given_engine
from tests.servers.engine.own_network import OwnNetwork
from tests.servers.engine.required import without

T = TypeVar("T")

FILES = {f"{number}.csv": f"a{number}\nb{number}\n" for number in range(6)}
SCRIPT = "def init(): pass\ndef run(data): return data\n"
GATED = """
import os, time, uuid
meeting = os.environ["MEETING"]
def init(): pass
def run(files):
    open(meeting + "/begun-" + uuid.uuid4().hex, "w").close()
    while not os.path.exists(meeting + "/open"): time.sleep(0.01)
    return [open(file).read().upper() for file in files]
"""
ENDS = pytest.mark.parametrize(
    "end", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)


@dataclass(frozen=True)
class Stage:
    """A host on an engine, both there where `run` runs."""

    run: Callable[[Callable[[], None]], None]
    dockerd: Dockerd
    host: RunningHost

    @property
    def engine(self) -> EngineApi:
        return self.dockerd.api

    def restart(self, end: signal.Signals) -> None:
        self.dockerd.end(end)
        self.dockerd.start()

    def running(self, key: str) -> set[str]:
        found = self.engine.containers(f"{KEY}={key}")
        return {each["Id"] for each in found if each["State"] == "running"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    given_engine()  # where none is wanted, none is started
    # A path of pytest's is longer than a socket's may be.
    dockerd = Dockerd(Path(tempfile.mkdtemp(prefix="engine-")))
    folder = tmp_path_factory.mktemp("restart") / "data"
    try:
        with OwnNetwork() as network:
            # Not by what forks hosts, which is in the network of all others.
            host = DockerContainers(dockerd.api).host(folder, launch=command)

            def begin() -> None:
                dockerd.start()
                dockerd.api.make_base()
                host.start()
                serving.environment(host)

            def end() -> None:
                host.close()
                dockerd.stop()

            try:
                network.run(begin)
                yield Stage(network.run, dockerd, host)
            finally:
                network.run(end)
    except EngineMissing as missing:
        without(str(missing))


@ENDS
def test_what_serves_comes_back_when_the_engine_does(stage: Stage, end: signal.Signals) -> None:
    host, name = stage.host, f"boxed-{end.name.lower()}"

    def restarted() -> None:
        serving.endpoint(host, name)
        serving.deploy(host, f"{name}/blue", serving.codes(host, name, {"score.py": SCRIPT}))
        key = f"online/{name}/blue"
        before = stage.running(key)
        stage.restart(end)
        with Callers(host, name, "blue", 1) as callers:
            callers.go_on(5)
        after = until(lambda: stage.running(key))
        assert len(after) == 1
        assert after.isdisjoint(before)
        host.workspace.mutate("DELETE", f"onlineEndpoints/{name}")
        # What an engine that was killed had mounted it may refuse to remove for a while.
        until(lambda: stage.engine.containers(f"{KEY}={key}") == [], "nothing is left")

    stage.run(restarted)


@ENDS
def test_a_job_under_which_the_engine_ends_has_each_row_once(
    stage: Stage, end: signal.Signals
) -> None:
    host, name = stage.host, f"torn-{end.name.lower()}"

    def begun() -> int:
        return len(list(host.meeting.glob("begun-*")))

    def restarted() -> None:
        for each in host.meeting.iterdir():
            each.unlink()
        batch.batch(host, name, GATED, resources={"instanceCount": 2}, maxConcurrencyPerInstance=1)
        variables = {"MEETING": str(host.meeting)}
        uri = batch.data(host, FILES)
        job = batch.started(host, name, uri, environmentVariables=variables)
        until(lambda: begun() >= 2, "a unit on each node")
        stage.restart(end)
        until(lambda: begun() >= 4, "both are begun again")
        (host.meeting / "open").touch()
        shown = batch.ended(host, job)
        assert shown["status"] == "Completed", shown
        wanted = [(each, "0", text.upper()) for each, text in sorted(FILES.items())]
        assert batch.rows(host, shown) == wanted
        assert shown["progress"]["failedFiles"] == 0

    stage.run(restarted)


def test_the_host_has_met_nothing_that_it_did_not_expect(stage: Stage) -> None:
    assert stage.host.faults() == []
