"""What processes print, as it is kept and told."""

import os

import pytest

from runtime.node import logs
from tests.kit.waiting import until
from tests.runtime.node.harness import nowhere


@pytest.fixture
def log() -> logs.Log:
    return logs.Log(nowhere())


def test_lines_are_told_with_time_and_request_whatever_is_in_them(log: logs.Log) -> None:
    stamp = "\x1e2026-11-30T08:00:00.000Z r-1\x1f"
    log.put("0", f"{stamp}first\nhalf {stamp}second\nplain \xff\n\x1eno stamp\n".encode("latin-1"))
    log.put("1", b"10 %\r20 %\r\n")
    told = [(line.worker, line.request, line.text) for line in log.tail(100)]
    assert told[:2] == [("0", "r-1", "first"), ("0", "r-1", "second")]
    assert told[2:] == [
        ("0", "-", "half "),
        ("0", "-", "plain \N{REPLACEMENT CHARACTER}"),
        ("0", "-", "no stamp"),
        ("1", "-", "10 %"),
        ("1", "-", "20 %"),
    ]
    assert [line.text for line in log.tail(2)] == ["10 %", "20 %"]


def test_what_a_process_said_last_can_be_forgotten_whole(log: logs.Log) -> None:
    for worker, said in (("0", b"a\nb\n"), ("1", b"other\n"), ("0", b"c\n"), ("0", b"d\n")):
        log.put(worker, said)
    log.forget("0", b"c\n")
    assert len(log.tail(9)) == 5, "it was not the last"
    log.forget("0", b"b\nc\nd\n")
    assert [line.text for line in log.tail(9)] == ["a", "other"]


def test_no_more_is_kept_than_can_be(log: logs.Log) -> None:
    for number in range(100):
        log.put("0", b"x" * 99_990 + b"%09d\n" % number)
    lines = log.tail(10_000)
    assert 0 < len(lines) <= logs.KEPT // 100_000
    assert sum(len(line.text) for line in lines) <= logs.LONGEST_ANSWER


def test_a_line_that_is_not_ended_is_told_when_nothing_follows(log: logs.Log) -> None:
    reads, writes = os.pipe()
    source = logs.Pump(log).take(reads, "0")
    os.write(writes, b"whole\nwithout end")
    until(lambda: len(log.tail(9)) == 2, "both are told")
    assert [line.text for line in log.tail(9)] == ["whole", "without end"]
    os.close(writes)
    until(source.ended.is_set, "it has ended")
