"""An instance's log as lines with time and request, whatever was written to it."""

import io
import os
from pathlib import Path

from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.printed_lines import (
    LONGEST,
    Line,
    lines_of,
    plain,
    stamped,
    written_time,
)
from runtime.server import printing

NINE = "2026-03-01T09:00:00.000Z"
TEN = "2026-03-01T10:00:00.000Z"


def stamp(time: str, request: str = "-") -> str:
    return f"\x1e{time} {request}\x1f"


def read(text: str | bytes, seen: float | None = None) -> list[Line]:
    content = text.encode() if isinstance(text, str) else text
    return lines_of(content, lambda _: seen)


def test_what_the_runtime_writes_is_read_back() -> None:
    written = io.BytesIO()
    printed = printing.Printed(written, "utf-8", line_buffering=True)
    printing.print_for("r-1")
    printed.write("one\ntwo\n")
    printing.print_for("")
    printed.write("three\n")
    lines = read(written.getvalue())
    assert [(line.request, line.text) for line in lines] == [
        ("r-1", "one"),
        ("r-1", "two"),
        ("-", "three"),
    ]
    assert plain(written.getvalue()) == b"one\ntwo\nthree\n"


def test_a_line_of_the_hosts_own_is_read_as_the_runtimes_are() -> None:
    assert read(stamped("noted", 0.0625)) == [Line("1970-01-01T00:00:00.062Z", "-", "noted")]


def test_a_line_begun_before_another_had_ended_is_two() -> None:
    text = f"{stamp(NINE, 'r-1')}half {stamp(TEN)}whole\n"
    assert read(text) == [Line(NINE, "r-1", "half "), Line(TEN, "-", "whole")]


def test_lines_without_a_stamp_have_the_time_they_were_seen_or_of_the_line_before() -> None:
    text = f"first\n{stamp(NINE, 'r-1')}mine\nraw\n{stamp(TEN)}later\nlast"
    unseen = [(line.time, line.request, line.text) for line in read(text)]
    assert unseen == [
        (NINE, "-", "first"),
        (NINE, "r-1", "mine"),
        (NINE, "-", "raw"),
        (TEN, "-", "later"),
        (TEN, "-", "last"),
    ]
    seen = 1_772_357_400.0  # half past nine
    assert [line.time for line in read(text, seen)][2] == "2026-03-01T09:30:00.000Z"
    long_after = [line.time for line in read(text, seen + 86400)]
    assert long_after[2] == TEN, "not after what came after it"
    assert read("", None) == []


def test_what_is_no_text_overwrites_itself_or_never_ends_is_shown_as_far_as_it_goes() -> None:
    binary = bytes(range(256)) + b"\n"
    assert "".join(line.text for line in read(binary)).count("A") == 1
    assert [line.text for line in read(f"{stamp(NINE)}10 %\r20 %\r\n")] == ["10 %", "20 %"]
    (huge,) = read("x" * (LONGEST + 7))
    assert huge.text == "x" * LONGEST + "... (7 characters more)"
    assert [line.text for line in read("\x1f\x1e\x1f\n\x1e\n")] == ["", "\x1f", ""]
    cut = f"{stamp(NINE, 'r-1')}begun\n"[5:]
    assert [line.text for line in read(cut)] == ["begun"], "a stamp that the tail cut in two"


def test_a_log_knows_when_it_grew(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "0.log", limit=100)
    for number in range(3):
        descriptor = log.open()
        os.write(descriptor, f"line {number}\n".encode())
        os.close(descriptor)
        log.look()
    first, *_, last = log.lines(10)
    assert written_time(0) < first.time <= last.time
    assert [line.text for line in log.lines(2)] == ["line 1", "line 2"]
    log.cut()
    log.look()
    assert [line.text for line in log.lines(10)] == ["line 0", "line 1", "line 2"]
