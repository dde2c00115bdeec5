"""`mle run --debugger`: a breakpoint in the user's own file stops a request, as in an editor."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outside.debug_client import DebugClient
from outside.running_host import ROOT
from outside.waiting import until

ASKED = "GUIDES_TESTS"
ATTACH = "A debugger may attach at"

pytestmark = [
    pytest.mark.only_processes("the command starts a host of its own"),
    pytest.mark.skipif(not os.environ.get(ASKED), reason=f"debugpy is fetched where {ASKED}=1"),
]


class Desk:
    """A folder with a project, to be run under a debugger that listens at `port`; what commands
    say is in `said`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "project" / "src" / "score.py"
        self.said = folder / "said"
        # Bound and not listened at, as long as this goes on: nobody else is given the port.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]
        self.begin("init", "script", "project", "--name", "sums").communicate()

    def begin(self, *words: str) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MLE_CONFIG_DIR": str(self.folder / "config"),
            "MLE_CONNECTION": str(self.folder / "data" / "connection.json"),
        }
        command = [sys.executable, "-m", "cli", *words]
        with self.said.open("ab") as said:
            out = said if words[0] == "run" else subprocess.PIPE
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=out, stderr=said
            )

    def line_of(self, text: str) -> int:
        [found] = [
            number
            for number, line in enumerate(self.script.read_text().splitlines(), 1)
            if text in line
        ]
        return found

    def stopped(self) -> tuple[dict[str, str], object]:
        """What the script's variables are at its breakpoint, and the answer of that request."""
        with DebugClient(self.port) as debugger:
            assert debugger.attach({str(self.script): [self.line_of("return")]}) == [True]
            asked = self.begin("invoke", "sums", "project/request.json")
            event = debugger.event("stopped")
            assert event["reason"] == "breakpoint"
            [frame, *_] = debugger.ask("stackTrace", threadId=event["threadId"])["stackFrames"]
            assert (frame["name"], frame["source"]["path"]) == ("run", str(self.script))
            [scope, *_] = debugger.ask("scopes", frameId=frame["id"])["scopes"]
            reference = scope["variablesReference"]
            listed = debugger.ask("variables", variablesReference=reference)["variables"]
            assert asked.poll() is None, self.said.read_text()
            debugger.ask("continue", threadId=event["threadId"])
            answer = asked.communicate()[0]
            assert asked.returncode == 0, self.said.read_text()
            return {each["name"]: each["value"] for each in listed}, json.loads(answer)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    script = desk.script.read_text()
    sums = '{"sums": [sum(row) for row in rows]}'
    desk.script.write_text(script.replace(f"return {sums}", f"answer = {sums}\n    return answer"))
    with desk.held:
        yield desk


@pytest.fixture
def running(desk: Desk) -> Iterator["subprocess.Popen[bytes]"]:
    ran = desk.begin("run", "project", "--data-dir", "data", "--debugger", str(desk.port))
    try:
        yield ran
    finally:
        ran.terminate()
        ran.wait()


def test_a_request_stops_at_a_breakpoint_and_goes_on_and_so_it_is_after_a_change(
    desk: Desk, running: "subprocess.Popen[bytes]"
) -> None:
    def attachable(times: int) -> bool:
        assert running.poll() is None, desk.said.read_text()
        return desk.said.read_text().count(ATTACH) >= times

    until(lambda: attachable(1), "a debugger's port")
    there, answer = desk.stopped()
    assert there["rows"] == "[[1, 2, 3], [4, 5, 6]]"
    assert answer == {"sums": [6, 15]}
    desk.script.write_text(desk.script.read_text().replace('"sums"', '"totals"'))
    until(lambda: attachable(2), "a debugger's port after the change")
    assert desk.stopped()[1] == {"totals": [6, 15]}

    url = json.loads((desk.folder / "data" / "connection.json").read_text())["url"]
    running.terminate()
    running.wait()
    with socket.socket() as tried:
        assert tried.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0, "the host goes on"
