"""What an engine's machine has room for."""

from domain.ports import EnvironmentSpec, InstanceSize, Program, SealedFolder
from infra.compute.docker.containers import Machine
from infra.compute.docker.engine_room import EngineRoom
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.remote.fleet import NodeGroup

GIB = 2**30
MACHINE = Machine(2, 8 * GIB)


def group(name: str, memory: int = 56 * GIB) -> NodeGroup:
    program = Program(
        environment=EnvironmentSpec("3.11", ()),
        model=None,
        code=SealedFolder("c", "p", "s"),
        scoring_script="score.py",
        environment_variables={},
        size=InstanceSize(16, memory),
    )
    return NodeGroup(name, f"online/e/{name}", program, {}, "secret")


def test_nodes_count_against_the_engine_s_machine_until_their_group_is_gone() -> None:
    room = EngineRoom(LocalLimits(memory=7 * GIB, memory_overcommit=8))
    assert room.lacking(group("blue"), 5, 0, MACHINE) is None
    told = str(room.lacking(group("green"), 50, 0, MACHINE))
    assert "others count for 4.4 GiB" in told
    assert "There is room for 3." in told
    assert room.lacking(group("green"), 3, 0, MACHINE) is None
    assert room.lacking(group("red"), 1, 0, MACHINE) is not None
    room.forget("blue")
    assert room.lacking(group("red"), 1, 0, MACHINE) is None


def test_what_is_there_already_stays_whoever_looks() -> None:
    room = EngineRoom(LocalLimits(memory=7 * GIB, memory_overcommit=1))
    assert room.lacking(group("blue", 4 * GIB), 3, 3, MACHINE) is None
    assert "room for 0" in str(room.lacking(group("green", 4 * GIB), 1, 0, MACHINE))
    assert room.lacking(group("blue", 4 * GIB), 1, 3, MACHINE) is None
    assert room.lacking(group("green", GIB), 3, 0, MACHINE) is None


def test_no_more_is_had_than_the_engine_has() -> None:
    room = EngineRoom(LocalLimits())
    assert room.lacking(group("blue"), 1, 0, MACHINE) is None
    assert "models may have 8.0 GiB here" in str(room.lacking(group("green"), 1, 0, MACHINE))
