"""Servers end with their host, and take along whatever they started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import NAMESPACE, Server, Start, first_below, needs_namespace

FAMILY = """
    import subprocess, sys, os, signal

    def init():
        sleeper = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
        child = subprocess.Popen([sys.executable, "-c", sleeper], stdout=subprocess.PIPE)
        child.stdout.readline()
        forked = os.fork()
        if forked == 0:
            signal.pause()
        with open("family", "w") as file:
            file.write(f"{child.pid} {forked}")

    def run(data):
        if data == "fork and stop the child":
            told, tells = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(tells, b"x")
                signal.pause()
            os.read(told, 1)
            os.kill(child, 15)
            return os.waitpid(child, 0)[1]
        os.kill(os.getpid(), 9)
"""  # noqa: E501


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone, maybe as it is read
        return False
    return state != "Z"


def group(server: Server) -> list[int]:
    """Everything in the server's process group that still runs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == server.process.pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="counts processes in /proc")


def test_the_end_of_the_lifeline_kills_the_whole_group(start: Start) -> None:
    server = start(FAMILY).ready()
    family = [int(pid) for pid in (server.folder / "family").read_text().split()]
    assert all(alive(pid) for pid in family)
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.exit_code() == -signal.SIGKILL
    until(lambda: not group(server), "nobody of the group is left")


def test_it_does_so_while_the_script_keeps_the_interpreter_to_itself(start: Start) -> None:
    server = start(
        """
        import ctypes

        def init():
            open("there", "w").close()
            ctypes.PyDLL(None).pause()

        def run(data):
            pass
        """
    )
    until((server.folder / "there").exists, "init holds the lock")
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.exit_code() == -signal.SIGKILL
    until(lambda: not group(server), "nobody of the group is left")


def test_a_server_that_is_killed_takes_its_children_along(start: Start) -> None:
    server = start(FAMILY).ready()
    with server.connect() as wire:
        wire.ask("POST", "/score", b"die")
        assert server.exit_code() == -signal.SIGKILL
    until(lambda: not group(server), "nobody of the group is left")


def test_an_orderly_exit_leaves_no_sentry_and_no_forked_child(start: Start) -> None:
    server = start(
        "def init():\n    import os, signal\n"
        "    os.fork() or signal.pause()\n\n"
        "def run(data):\n    pass\n"
    ).ready()
    server.terminate()
    assert server.exit_code() == 0
    until(lambda: not group(server), "nobody of the group is left")
    assert not os.path.exists(server.socket_path)


def test_the_signals_of_a_forked_child_are_its_own(start: Start) -> None:
    server = start(FAMILY).ready()
    assert server.ask(body="fork and stop the child").json == signal.SIGTERM
    assert server.health() == "Healthy"


def test_a_killed_host_takes_its_servers_along(start: Start, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init():\n    pass\n\ndef run(data):\n    pass\n")
    inner = start("def init():\n    pass\n\ndef run(data):\n    pass\n").ready()
    arguments = [arg for arg in inner.process.args if isinstance(arg, str)]  # type: ignore[union-attr]
    arguments[arguments.index("--socket") + 1] += "x"
    host = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, subprocess, sys\n"
            "server = subprocess.Popen(sys.argv[1:], stdin=-1, start_new_session=True)\n"
            "print(server.pid, flush=True)\n"
            "signal.pause()",
            *arguments,
        ],
        stdout=subprocess.PIPE,
    )
    with host:
        try:
            assert host.stdout is not None
            pid = int(host.stdout.readline())
            assert alive(pid)
        finally:
            host.kill()
    until(lambda: not alive(pid), "the server is gone")


def test_a_server_that_is_process_1_ends_in_order(start: Start) -> None:
    needs_namespace()
    server = start(FAMILY, prefix=NAMESPACE).ready()
    os.kill(first_below(server.process.pid), signal.SIGTERM)
    assert server.exit_code() == 0
    assert "Traceback" not in server.log
