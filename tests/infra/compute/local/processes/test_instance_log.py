import os
from pathlib import Path

from infra.compute.local.processes.instance_log import InstanceLog


def written(log: InstanceLog, *lines: str) -> None:
    descriptor = log.open()
    for line in lines:
        os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "0.log")
    assert log.tail(10) == ""
    assert not log.is_over()


def test_the_tail_reaches_over_a_cut(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "0.log", limit=100)
    written(log, *(f"line {number:04}" for number in range(40)))
    assert log.is_over()
    log.cut()
    written(log, "after")
    assert not log.is_over()
    assert log.tail(3).splitlines() == ["line 0038", "line 0039", "after"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 200


def test_a_writer_that_holds_the_log_open_goes_on_at_its_beginning(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "0.log", limit=100)
    descriptor = log.open()
    os.write(descriptor, b"x" * 500)
    log.cut()
    os.write(descriptor, b"go on\n")
    os.close(descriptor)
    assert (tmp_path / "0.log").read_bytes() == b"go on\n"


def test_what_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "0.log")
    descriptor = log.open()
    os.write(descriptor, b"\xff\xfe bytes\n")
    os.close(descriptor)
    assert "bytes" in log.tail(1)
