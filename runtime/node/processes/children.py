"""The agent's child processes, and everybody else's orphans.

Process 1 is everybody's heir: whoever's parent ends becomes its child, and stays a zombie until
it is reaped. So there is one place that reaps, and it reaps all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from . import kernel

_MARK = "ML_ENDPOINTS_PROCESS"


class Child:
    """A process with a group of its own, whose standard input is its lifeline: it ends with
    the agent. `ended` has its exit status, negative for a signal."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str, output: int) -> None:
        self.pid = process.pid
        self.process = process
        self.output = output
        """Where what it prints can be read: whoever takes it closes it."""
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._mark = mark

    def end(self) -> None:
        """Ask it to end."""
        if not self.ended.done():
            kernel.kill_group(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """It and everything that it has started end now, in whatever group that is."""
        kernel.kill_group(self.pid, signal.SIGKILL)
        for pid in kernel.bearing(self._mark):
            kernel.kill(pid)


class Children:
    """Lives on the loop, in the main thread: a child dies with the thread that made it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._by_pid: dict[int, Child] = {}
        self._count = 0
        kernel.reap_descendants()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def begin(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: str,
        inherited: Sequence[int] = (),
    ) -> Child:
        """Raises OSError."""
        self._count += 1
        mark = f"{_MARK}={os.getpid()}.{self._count}"
        reads, writes = os.pipe()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=writes,
                stderr=writes,
                cwd=folder,
                env={**environment, _MARK: mark.partition("=")[2]},
                pass_fds=inherited,
                start_new_session=True,
            )
        except BaseException:
            os.close(reads)
            raise
        finally:
            os.close(writes)
        child = self._by_pid[process.pid] = Child(process, mark, reads)
        return child

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._by_pid.pop(pid, None)
            if child is not None:
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
                child.process.returncode = code
                if child.process.stdin is not None:
                    child.process.stdin.close()
                child.ended.set_result(code)

    def kill_all(self) -> None:
        """No descendant is left, of whatever depth: the children of one that is killed become
        ours. To be called last: nothing is reaped for anybody after it."""
        self._loop.remove_signal_handler(signal.SIGCHLD)
        while True:
            for pid in kernel.children():
                kernel.kill(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)
                continue
            return
