from pathlib import Path

from infra.compute.ground.control_groups import Held, held


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")


def test_the_least_of_the_own_group_and_those_above_it_holds(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/a.slice/b\n")
    write(
        tmp_path / "fs" / "a.slice",
        **{"memory.max": "4294967296", "b__memory.max": "max", "b__cpu.max": "150000 100000"},
    )
    write(tmp_path / "fs" / "a.slice", **{"cpu.max": "max 100000"})
    assert held(own, tmp_path / "fs") == Held(2**32, 1.5)


def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/docker/1234\n")
    write(tmp_path / "fs", **{"memory.max": "1073741824"})
    assert held(own, tmp_path / "fs") == Held(2**30, None)


def test_version_1_is_read_by_controller(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/x\n3:cpu,cpuacct:/x\n1:name=systemd:/\n")
    write(
        tmp_path / "fs",
        **{
            "memory__memory.limit_in_bytes": "9223372036854771712",
            "memory__x__memory.limit_in_bytes": "2147483648",
            "cpu,cpuacct__x__cpu.cfs_quota_us": "50000",
            "cpu,cpuacct__x__cpu.cfs_period_us": "100000",
        },
    )
    assert held(own, tmp_path / "fs") == Held(2**31, 0.5)


def test_where_there_are_none_nothing_is_held(tmp_path: Path) -> None:
    assert held(tmp_path / "own", tmp_path) == Held(None, None)
