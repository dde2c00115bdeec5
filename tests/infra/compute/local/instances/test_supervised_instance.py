"""An instance that is stopped while it begins."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from domain.ports import Probe
from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import NothingLent
from infra.compute.local.cores import Cores
from infra.compute.local.instances.instance_story import InstanceStory
from infra.compute.local.instances.launch import Launch
from infra.compute.local.instances.life_meter import LifeMeter, Payer
from infra.compute.local.instances.supervised_instance import SupervisedInstance, Surroundings
from infra.compute.local.isolation.cell import Cell
from infra.compute.local.isolation.isolation import Isolation
from infra.compute.local.premises import RUNTIME
from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.process_groups import ProcessGroups
from infra.compute.local.processes.script_files import FileLimits
from infra.compute.local.processes.sockets import Sockets
from tests.kit.stages.isolation import isolated
from tests.kit.waiting import PATIENCE, eventually


class Slow(Isolation):
    """Makes a cell once it may."""

    def __init__(self, data: Path) -> None:
        super().__init__(isolated(data / "gates"), data, RUNTIME, NothingLent())
        self.begun, self.may = threading.Event(), threading.Event()
        self.made: list[Cell] = []

    def cell(self, launch: Launch, place: Path, socket: Path, cores: frozenset[int]) -> Cell:
        self.begun.set()
        self.may.wait(PATIENCE)
        cell = super().cell(launch, place, socket, cores)
        self.made.append(cell)
        return cell


async def test_a_cell_that_is_made_for_an_instance_which_is_stopped_is_closed(
    tmp_path: Path,
) -> None:
    isolation = Slow(tmp_path)
    await asyncio.to_thread(isolation.start)
    if not any(part.held for part in isolation.parts):
        pytest.skip("a cell has nothing of its own here")
    around = Surroundings(
        isolation,
        ProcessGroups(tmp_path / "processes"),
        Sockets(tmp_path / "sockets"),
        UnixHttp(),
        Cores(),
        time.monotonic,
        FileLimits(2**30, None),
        LifeMeter(time.time),
    )
    launch = Launch(
        owner="a",
        command=("/bin/true",),
        environment={},
        folder=tmp_path,
        cpu=1,
        memory=2**30,
        liveness=Probe(),
        readiness=Probe(),
        readable=(),
        writable=(),
        takes_units=False,
        closed=False,
    )
    log = InstanceLog(tmp_path / "log")
    story, payer = InstanceStory("a", {}), Payer(lambda: "online/iris/blue")
    instance = SupervisedInstance("a", launch, log, around, lambda: None, story, payer)
    instance.start()
    [supervising] = (task for task in asyncio.all_tasks() if task.get_name() == "instance a")
    await eventually(isolation.begun.is_set)
    stopping = asyncio.create_task(instance.stop(0))
    await eventually(supervising.cancelling)
    isolation.may.set()
    await stopping
    [cell] = isolation.made
    assert (cell.passed, cell.home.exists()) == ((), False)
    around.sockets.close()
