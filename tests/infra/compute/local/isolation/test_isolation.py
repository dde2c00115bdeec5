"""What is kept apart here, who is told of what is not, and whom a script is."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from domain.ports import LogKind, WorkloadState
from infra.compute.local.isolation.means import Means, Wish, parts
from infra.compute.local.isolation.users import Users
from tests.infra.compute.conftest import opened
from tests.kit.stages.isolation import TOGETHER, isolated, without_network_rights
from tests.kit.waiting import eventually

KEY = "online/iris/blue"
ALL = Means("root", 7, (("memory", Path("/m")), ("pids", Path("/p"))), egress=True)

HOST = """
import sys
from pathlib import Path
from infra.compute.identity_lending import NothingLent
from infra.compute.ground.isolation_telling import NotIsolated
from infra.compute.local.isolation.isolation import Isolation
from infra.compute.local.isolation.means import Wish
from infra.compute.local.premises import RUNTIME
try:
    wish = Wish("required", "allow", (), ())
    Isolation(wish, Path(sys.argv[1]), RUNTIME, NothingLent()).start()
except NotIsolated as lacking:
    print(lacking)
"""


def lacking(wish: Wish, means: Means) -> set[str]:
    return {part.part for part in parts(wish, means) if not part.held}


def test_every_part_is_told_whether_it_is_held() -> None:
    wish, alone = Wish("auto", "allow", (), ()), Wish("auto", "none", (), ())
    assert lacking(wish, ALL) == set()
    rootless = {"user", "cloud metadata", "control plane", "memory", "number of processes"}
    assert lacking(wish, Means("user", 7)) == rootless
    assert lacking(alone, Means("user", 7)) == rootless - {"cloud metadata", "control plane"}
    assert lacking(wish, Means("user", 3)) == rootless | {"local sockets"}
    assert lacking(wish, Means("", 7)) == rootless | {"lifetime", "local sockets"}
    assert lacking(wish, Means("", 1)) == rootless | {"lifetime", "processes", "local sockets"}
    assert len(lacking(TOGETHER, Means())) == len(parts(TOGETHER, Means()))


def test_what_is_required_and_lacking_is_said(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", HOST, str(tmp_path)],
        capture_output=True,
        text=True,
        preexec_fn=without_network_rights,
        check=True,
    ).stdout
    assert told.startswith("ML_ENDPOINTS_ISOLATION is required")
    assert "cloud metadata (it may reach it where the machine may)" in told


def test_an_owner_has_one_user_and_nobody_else_has_it() -> None:
    users = Users(range(100, 103), "here")
    taken = {owner: users.take(owner) for owner in ("a", "b", "c")}
    assert sorted(taken.values()) == [100, 101, 102]
    assert users.take("a") == taken["a"]
    users.give_back("a")
    users.give_back("b")
    assert users.take("d") == taken["b"]
    assert Users((), "here").take("a") == 0


async def test_what_a_deployment_has_loaded_is_loaded_by_its_script_alone(tmp_path: Path) -> None:
    variables = {"LD_PRELOAD": "/nowhere/theirs.so", "PYTHONSTARTUP": "/nowhere/theirs.py"}
    script = """
    import os
    def init(): print("sees", os.environ["LD_PRELOAD"], os.environ["PYTHONSTARTUP"])
    def run(d): return d
    """
    async with opened(tmp_path, isolation=isolated(tmp_path / "gates")) as house:
        await house.serve(await house.workload(script, variables=variables))
        log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=100)
        built = await house.serving.logs(KEY, LogKind.STORAGE_INITIALIZER, tail=100)
    assert "sees /nowhere/theirs.so /nowhere/theirs.py" in log
    # The loader complains once for each program that it starts with it.
    assert log.count("cannot be preloaded") == 1
    assert "theirs.so" not in built


async def test_a_closed_program_has_no_network_beside_one_that_has_and_answers_all_the_same(
    tmp_path: Path,
) -> None:
    script = """
    import json
    import socket
    def init(): pass
    def run(data):
        try:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.1.2.3", 9))
            socket.if_nametoindex("lo")
            return sorted(name for _, name in socket.if_nameindex())
        except OSError as error:
            return str(error)
    """
    async with opened(tmp_path, isolation=isolated(tmp_path / "gates")) as house:
        if await house.capabilities.closing_fault() is not None:
            pytest.skip("no network namespaces")
        await house.serve(await house.workload(script))
        await house.serve(await house.workload(script, key="online/iris/shut", closed=True))
        seen = {}
        for key in (KEY, "online/iris/shut"):
            answer = (await house.score(key)).body
            assert isinstance(answer, bytes)
            seen[key] = json.loads(answer)
        around = sorted(name for _, name in socket.if_nameindex())
        assert seen == {KEY: around, "online/iris/shut": ["lo"]}


async def test_where_scripts_have_no_namespaces_none_can_be_closed_and_none_runs_open(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        told = await house.capabilities.closing_fault()
        assert told is not None
        assert "ML_ENDPOINTS_COMPUTE=docker" in told
        await house.serving.ensure(await house.workload(closed=True))
        seen = await house.reach(KEY, WorkloadState.FAILED)
        assert (seen.code, seen.reason) == ("ResourceNotReady", told)


async def test_a_spike_of_memory_is_stopped_where_it_begins(tmp_path: Path) -> None:
    script = """
    def init(): pass
    def run(d):
        bytearray(600 * 2**20)
        return "let"
    """
    async with opened(tmp_path, isolation=isolated(tmp_path / "gates")) as house:
        if not any(p.held for p in house.capabilities.isolation() if p.part == "memory"):
            pytest.skip("no control groups")
        await house.serve(await house.workload(script, memory=200 * 2**20))
        with pytest.raises(Exception, match="went away"):
            await house.score(KEY)

        async def told() -> bool:
            log = await house.serving.logs(KEY, LogKind.INFERENCE_SERVER, tail=50)
            return "It ran out of memory: it used 2" in log

        await eventually(told)
