"""What tests start a host by is what `python -m` would be."""

import os
import signal
from pathlib import Path

import pytest

from outside.running_host import Launch, Process, command
from tests.kit.hosts.forking import forked
from tests.kit.waiting import PATIENCE, until


@pytest.fixture(params=[command, forked], ids=["command", "forked"])
def launch(request: pytest.FixtureRequest) -> Launch:
    found: Launch = request.param
    return found


def started(launch: Launch, folder: Path, script: str) -> Process:
    (folder / "said.py").write_text(script)
    arguments, output = ["--of", "two words"], folder / "output"
    return launch("said", arguments, cwd=folder, environment={"SAID": "yes"}, output=output)


SAYS = """
import atexit, os, sys
atexit.register(print, "at the end")
print(__name__, sys.argv[1:], os.getcwd(), os.environ["SAID"], len(os.environ) < 9, flush=True)
print(os.getsid(0) == os.getpid(), os.read(0, 1), file=sys.stderr, flush=True)
sys.exit(3)
"""


def test_a_module_is_run_with_what_it_is_given_and_its_status_is_told(
    launch: Launch, tmp_path: Path
) -> None:
    process = started(launch, tmp_path, SAYS)
    assert process.wait(timeout=PATIENCE) == process.poll() == process.returncode == 3
    assert (tmp_path / "output").read_text().splitlines() == [
        f"__main__ ['--of', 'two words'] {tmp_path} yes True",
        "True b''",
        "at the end",
    ]
    process.send_signal(signal.SIGKILL)


def test_a_signal_ends_it_and_is_told(launch: Launch, tmp_path: Path) -> None:
    process = started(launch, tmp_path, "import signal\nprint(1, flush=True)\nsignal.pause()\n")
    until(lambda: (tmp_path / "output").read_text() == "1\n")
    assert process.poll() is None
    os.kill(process.pid, 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == -signal.SIGTERM
