"""What is left in an instance's log of how its processes ended."""

import json
import os
import signal
from pathlib import Path

from infra.compute.local.instances.last_words import LastWords
from infra.compute.local.processes.death import Death, Memory, of_exit, out_of_memory
from infra.compute.local.processes.instance_log import InstanceLog

TRACE = "Traceback (most recent call last):\n  ...\nValueError: no w\xe9ights\u2028\n"
GIB = 2**30


class Life:
    """One process after the other that writes to a log and ends with 3."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "0.log"
        self.log = InstanceLog(self.path)
        self.words = LastWords(self.log)

    def write(self, text: str) -> None:
        descriptor = self.log.open()
        os.write(descriptor, text.encode())
        os.close(descriptor)

    def ends(self, printed: str, trace: str = TRACE, after: str = "") -> tuple[Death, str]:
        self.words.begin()
        told = {"code": "UserScriptInitFailed", "message": "no", "trace": len(trace.encode())}
        self.write(f"{printed}{trace}{json.dumps(told)}\n{after}")
        death = of_exit(3, self.words.all(), None)
        return death, self.words.end(death)


def test_a_traceback_stands_once_in_the_log_however_often_it_is_the_reason(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)
    for number in range(3):
        death, words = life.ends(f"loading {number}\n")
        assert (death.reason, death.code) == ("no", "UserScriptInitFailed")
        assert words.startswith(f"loading {number}\nTraceback")
        assert words.count("Traceback") == 1
        assert "code" not in words
    assert life.path.read_text() == f"loading 0\n{TRACE}loading 1\nloading 2\n"


def test_another_traceback_is_news(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for trace in ("one\n", "two\n", "two\n", "one\n"):
        life.ends("", trace)
    assert life.path.read_text() == "one\ntwo\none\n"


def test_a_line_that_was_not_ended_stays_whole(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.ends("loading ... ")
    life.ends("loading ... ")
    assert life.path.read_text() == f"loading ... {TRACE}loading ... "


def test_what_others_have_said_since_is_left_as_it_is(tmp_path: Path) -> None:
    life = Life(tmp_path)
    death, words = life.ends("", after="a thread goes on\n")
    assert death.code == "UserScriptInitFailed"
    assert words.endswith("a thread goes on")
    assert "Traceback" in life.path.read_text()


def test_what_an_earlier_process_has_said_is_not_this_ones_reason(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.ends("")
    life.words.begin()
    life.write("quiet\n")
    assert of_exit(3, life.words.all(), None).reason == "Its process ended with exit status 3."


def test_a_log_that_was_cut_meanwhile_gives_what_there_is(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write("x" * 1000)
    life.words.begin()
    life.log.cut()
    life.write("after\n")
    assert life.words.all() == b"after\n"


def test_a_kill_is_told_with_the_memory_that_was_used() -> None:
    death = of_exit(-signal.SIGKILL, b"", Memory(GIB, 2 * GIB))
    assert not death.final
    assert "SIGKILL" in death.reason
    assert "1,024 MiB of memory at its peak" in death.reason
    assert "its instance type has 2,048 MiB" in death.reason
    assert "memory" not in of_exit(-signal.SIGSEGV, b"", Memory(GIB, 2 * GIB)).reason


def test_too_much_memory_before_it_is_ready_is_hopeless_and_after_it_is_not() -> None:
    assert out_of_memory(Memory(3 * GIB, 2 * GIB), was_ready=False).final
    assert not out_of_memory(Memory(3 * GIB, 2 * GIB), was_ready=True).final
