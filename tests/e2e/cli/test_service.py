"""A host by the units that `mle service` writes, started as systemd starts it."""

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cli.services.units import HostService
from tests.kit.waiting import PATIENCE

AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.only_processes("it starts no model")
def test_the_unit_s_command_serves_on_the_socket_that_is_held_for_it_and_says_when(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-m", "infra.embedded", "--http", "--data-dir", str(data)]
    written = HostService("held", "127.0.0.1:0", data, command, {"PYTHONPATH": root}, None)
    unit = written.files(tmp_path)[tmp_path / "held.service"]
    lines = [line.partition("=") for line in unit.splitlines()]
    told = {name: value for name, _, value in lines}
    variables = [shlex.split(value)[0] for name, _, value in lines if name == "Environment"]
    with (
        socket.create_server(("127.0.0.1", 0)) as held,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", AS_SYSTEMD, str(held.fileno())),
                *shlex.split(told["ExecStart"]),
            ],
            cwd=told["WorkingDirectory"],
            env={
                **dict(each.split("=", 1) for each in variables),
                "HOME": os.environ["HOME"],
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            },
            pass_fds=(held.fileno(),),
        )
        try:
            assert manager.recv(100) == b"READY=1"
            url = f"http://127.0.0.1:{held.getsockname()[1]}/healthz"
            assert httpx.get(url, timeout=PATIENCE).text == "Healthy"
            process.terminate()
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(timeout=PATIENCE) == 0
        finally:
            process.kill()
