"""Batch jobs on nodes in containers of a real engine, through the door."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.compute.docker.labels import INSTALLATION, KEY
from infra.compute.shelves import shares_files
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.docker import DockerContainers, installation_of
from tests.kit.waiting import until
from tests.servers.engine.given import given_engine

FILES = {f"{number:02}.csv": f"a{number}\nb{number},x\n" for number in range(12)}
SIZE = "Standard_DS2_v2"
MEMORY = 7 * 2**30


@pytest.fixture(scope="module")
def fleet() -> DockerContainers:
    """Whatever fleet the others are on."""
    return DockerContainers(given_engine())


@pytest.fixture(scope="module")
def host(
    fleet: DockerContainers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    folder = tmp_path_factory.mktemp("nodes") / "data"
    with fleet.hosting(folder, "--host", "0.0.0.0", "--port", "0") as host:
        serving.environment(host)
        yield host
        faults = host.faults()
    assert not faults, f"the host logged errors: {faults}"


@pytest.fixture
def gate(host: RunningHost) -> Path:
    gate = host.meeting / "open"
    gate.unlink(missing_ok=True)
    return gate


def cluster(host: RunningHost, name: str, **scale: Any) -> str:
    """An AmlCompute, whose id this is."""
    properties = {"vmSize": SIZE, "scaleSettings": {"maxNodeCount": 2, **scale}}
    body = {"computeType": "AmlCompute", "properties": properties}
    host.workspace.call("PUT", f"computes/{name}", {"location": "local", "properties": body})
    return f"{host.workspace.connection['workspace']}/computes/{name}"


def containers(host: RunningHost, fleet: DockerContainers, compute: str) -> list[Any]:
    """That run, or hang, for its jobs."""
    labels = (f"{INSTALLATION}={installation_of(host)}", f"{KEY}=workers/{compute}")
    found = fleet.engine.containers(*labels)
    return [each for each in found if each["State"] in ("running", "paused", "created")]


def limits(fleet: DockerContainers, container: Any) -> tuple[int, int] | None:
    """What it has of memory and cores; None for one that has just gone."""
    status, content = fleet.engine.ask("GET", f"containers/{container['Id']}/json")
    config = json.loads(content)["HostConfig"] if status == 200 else None
    return (config["Memory"], config["NanoCpus"]) if config else None


def content(host: RunningHost, shown: dict[str, Any]) -> bytes:
    assert shown["status"] == "Completed", shown
    return batch.output(host, shown).read_bytes()


def begun(meeting: Path) -> int:
    return len(list(meeting.glob("begun-*")))


GATED = """
import os, socket, time, uuid
meeting = os.environ["MEETING"]
def init(): pass
def run(files):
    gate = os.environ.get("GATE")
    open(meeting + "/begun-" + uuid.uuid4().hex, "w").close()
    while gate and not os.path.exists(gate): time.sleep(0.01)
    return [open(file).read().upper() for file in files]
"""

PRYING = """
import socket, ssl, struct, urllib.error, urllib.request
def init(): pass
def gateway():
    for line in open("/proc/net/route").read().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
def status(url):
    try:
        context = ssl._create_unverified_context()
        return urllib.request.urlopen(url, timeout=180, context=context).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return "refused"
def run(files):
    where = f"https://{gateway()}"
    asked = ":7444/readyz", ":7444/subscriptions/x", ":7444/blobs/system/a", ":PLANE"
    return [" ".join(str(status(where + each)) for each in asked)]
"""


LENT = """
import os
def init(): pass
def tried(path):
    try:
        open(path, "a").close()
    except OSError as error:
        return error.strerror
    return "written"
def run(files):
    told = f"{os.statvfs('/lent').f_flag & os.ST_RDONLY} {len(os.listdir('/lent'))}"
    return [f"{each[:6]} {tried(each)} {told} {open(each).read(2)}" for each in files]
"""


def job(host: RunningHost, endpoint: str, gate: Path | None = None, **more: Any) -> str:
    for each in host.meeting.glob("begun-*"):
        each.unlink()
    variables = {"MEETING": str(host.meeting)}
    if gate is not None:
        variables["GATE"] = str(gate)
    uri = batch.data(host, FILES)
    return batch.started(host, endpoint, uri, environmentVariables=variables, **more)


def test_the_output_is_that_of_local_workers_byte_for_byte(
    host: RunningHost, tmp_path: Path
) -> None:
    batch.batch(host, "twice")
    with RunningHost(tmp_path / "data") as local:
        serving.environment(local)
        batch.batch(local, "twice")
        for more in ({}, {"outputFileName": "rows.jsonl"}, {"miniBatchSize": 5}):
            told = []
            for each in (host, local):
                name = batch.started(each, "twice", batch.data(each, FILES), **more)
                told.append(content(each, batch.ended(each, name)))
            assert told[0] == told[1]
            assert told[0]


@pytest.mark.parametrize("cruelty", ["kill", "pause", "disconnect"])
def test_a_node_that_is_lost_costs_its_units_and_no_try_of_theirs(
    host: RunningHost, fleet: DockerContainers, gate: Path, cruelty: str
) -> None:
    name = f"lost-{cruelty}"
    compute = cluster(host, name, nodeIdleTimeBeforeScaleDown="PT0S")
    batch.batch(host, name, GATED, compute=compute, resources={"instanceCount": 2})
    running = job(host, name, gate)
    until(lambda: begun(host.meeting) == 2, "a unit on each node")
    victim = containers(host, fleet, name)[0]
    if cruelty == "disconnect":
        [network] = victim["NetworkSettings"]["Networks"].values()
        told = {"Container": victim["Id"], "Force": True}
        fleet.engine.do("POST", f"networks/{network['NetworkID']}/disconnect", told)
    else:
        way = f"containers/{victim['Id']}/{cruelty}"
        # A kernel that is busy cannot always freeze it.
        until(lambda: fleet.engine.ask("POST", way)[0] < 400, cruelty)
    until(lambda: begun(host.meeting) > 2, "the lost unit runs on another node")
    gate.touch()
    shown = batch.ended(host, running)
    wanted = [(each, "0", text.upper()) for each, text in sorted(FILES.items())]
    assert shown["status"] == "Completed", shown
    assert batch.rows(host, shown) == wanted
    assert shown["progress"]["failedFiles"] == 0

    def is_there() -> bool:
        return victim["Id"] in [each["Id"] for each in containers(host, fleet, name)]

    until(lambda: not is_there(), "the end of the lost one")


def test_what_runs_goes_on_when_its_host_is_killed(
    host: RunningHost, fleet: DockerContainers, gate: Path
) -> None:
    compute = cluster(host, "orphaned")
    batch.batch(host, "orphaned", GATED, compute=compute)
    running = job(host, "orphaned", gate)
    until(lambda: begun(host.meeting) == 1, "a unit runs")
    before = [each["Id"] for each in containers(host, fleet, "orphaned")]
    host.kill()
    host.start()
    gate.touch()
    shown = batch.ended(host, running)
    assert content(host, shown).count(b"\n") >= len(FILES)
    assert [each["Id"] for each in containers(host, fleet, "orphaned")] == before


def test_a_cluster_means_what_it_says(
    host: RunningHost, fleet: DockerContainers, gate: Path
) -> None:
    scale = {"minNodeCount": 1, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT0S"}
    compute = cluster(host, "small", **scale)

    def there() -> list[Any]:
        found = containers(host, fleet, "small")
        shown = [(each["Names"], each["State"], each["Status"]) for each in found]
        assert len(found) <= 2, f"maxNodeCount is for all its jobs together: {shown}"
        return found

    def completed(name: str) -> bool:
        return bool(there()) and batch.job(host, name)["status"] == "Completed"

    assert there() == []
    batch.batch(host, "small", GATED, compute=compute, resources={"instanceCount": 2})
    until(lambda: len(there()) == 1, "minNodeCount nodes are up before the first job")
    told = until(lambda: [found for each in there() if (found := limits(fleet, each))])
    assert told == [(MEMORY, 2_000_000_000)]
    first = job(host, "small", gate)
    until(lambda: begun(host.meeting) == 2, "a unit on each node")
    batch.batch(host, "beside", GATED, compute=compute, resources={"instanceCount": 2})
    uri = batch.data(host, FILES)
    variables = {"MEETING": str(host.meeting)}
    second = batch.started(host, "beside", uri, environmentVariables=variables)
    gate.touch()
    for running in (first, second):
        until(partial(completed, running))
    until(lambda: len(there()) == 1, "minNodeCount nodes stay up")


def test_a_node_reaches_blobs_by_signed_urls_and_no_control_plane(
    host: RunningHost,
) -> None:
    port, workspace = host.url.rpartition(":")[2], host.workspace.connection["workspace"]
    script = PRYING.replace("PLANE", f"{port}{workspace}/onlineEndpoints")
    batch.batch(host, "curious", script)
    shown = batch.ended(host, batch.started(host, "curious", batch.data(host, {"a.csv": "a"})))
    assert batch.rows(host, shown) == [("a.csv", "0", "404 404 403 403")]


def test_many_files_are_lent_where_they_are_and_read_alone(
    host: RunningHost, fleet: DockerContainers
) -> None:
    if not shares_files(fleet.engine.url):
        pytest.skip("the engine has no folder of this machine")
    batch.batch(host, "lent", LENT, miniBatchSize=len(FILES))
    shown = batch.ended(host, batch.started(host, "lent", batch.data(host, FILES)))
    wanted = [f"/lent/ Permission denied 1 1 {content[:2]}" for content in FILES.values()]
    assert [row[2] for row in batch.rows(host, shown)] == wanted
    shelves = host.data_dir / "compute" / "lent"
    until(lambda: not list(shelves.glob("*/*")), "nothing lent any more")
