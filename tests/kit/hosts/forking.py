"""Hosts of tests, forked from a process that has loaded what they consist of: a second of
processor time for each that none of them tests. `python -m infra.embedded` itself is what
tests/infra/embedded/host/test_host_process.py and those of tests/e2e/host start."""

import contextlib
import functools
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from outside.running_host import ROOT, Process

_MOST = 1024
"""Bytes of an answer."""


class Forks:
    """One for all hosts of this process. It ends with this process at the latest."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._asked, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.hosts.preloaded", str(other.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=(other.fileno(),),
                start_new_session=True,
            )

    def ask(self, request: Mapping[str, object], *lent: int) -> int:
        with self._asking:
            socket.send_fds(self._asked, [json.dumps(request).encode()], lent)
            answer = self._asked.recv(_MOST)
        if not answer:
            raise AssertionError("what forks hosts has ended")
        return int(answer)

    def close(self) -> None:
        self._asked.close()
        self._process.wait()


class ForkedProcess(Process):
    """A child of another's, seen as one of this process's own."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._forks = forks
        self._looking = threading.Lock()
        # Nobody else has its number before its status has been asked for.
        self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._seen(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._seen(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def _seen(self, timeout: float | None) -> int | None:
        with self._looking:
            if self.returncode is None:
                looked = select.poll()
                looked.register(self._end, select.POLLIN)
                if looked.poll(None if timeout is None else timeout * 1000):
                    self.returncode = self._forks.ask({"status_of": self.pid})
                    os.close(self._end)
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@functools.cache
def _forks() -> Forks:
    return Forks()


def forked(
    module: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: Path,
) -> Process:
    """A process like that of `python -m module arguments`."""
    request = {
        "module": module,
        "arguments": list(arguments),
        "cwd": str(cwd),
        "environment": dict(environment),
    }
    with output.open("wb") as file:
        return ForkedProcess(_forks(), _forks().ask(request, file.fileno()))


def close_forks() -> None:
    """Wait for the end of what forks, if there is any."""
    if _forks.cache_info().currsize:
        _forks().close()
        _forks.cache_clear()
