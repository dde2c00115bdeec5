"""A server never outlives its host, and nothing it started outlives either.

A sentry process, forked before anything else runs, holds the lifeline (standard input). When
the lifeline ends or the server dies, the sentry kills the whole process group. It is a process
and not a thread because a script's C code may keep the interpreter's lock for ever.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_MS = 500

_sentry: int | None = None


def hold() -> None:
    """Take over standard input as the lifeline. Call once, before any thread starts."""
    global _sentry  # noqa: PLW0603 - one process has one sentry
    if os.getpgrp() != os.getpid():
        # Alone in a group of our own: killing it must never reach the launcher.
        os.setpgid(0, 0)
    server = os.getpid()
    if server != 1:  # with process 1 ends everything, and nobody inside can kill it
        pid = os.fork()
        if pid == 0:
            _watch(server)
        _sentry = pid
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if server != 1:
        _die_with_parent()


def release() -> None:
    """End the sentry, for an orderly exit, and ask what the script left running to end."""
    global _sentry  # noqa: PLW0603 - see above
    if _sentry is not None:
        os.kill(_sentry, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # the script waited for every child there is
            os.waitpid(_sentry, 0)
        _sentry = None
    elif os.getpid() != 1:
        return
    # This reaches us as well: the server has its own handler for SIGTERM. As process 1 it is
    # everybody but us, which may be nobody.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.getpgrp(), signal.SIGTERM)


def _watch(server: int) -> NoReturn:
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        poll = select.poll()
        poll.register(0, select.POLLIN | select.POLLHUP)
        patience: int | None = _PARENT_CHECK_MS
        server_fd = _pidfd(server)
        if server_fd is not None:
            poll.register(server_fd, select.POLLIN)
            patience = None
        while os.getppid() == server:
            ready = dict(poll.poll(patience))
            if server_fd in ready or (0 in ready and not os.read(0, 4096)):
                break
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)


def _pidfd(pid: int) -> int | None:
    opener: Any = getattr(os, "pidfd_open", None)
    if opener is None:
        return None
    try:
        return int(opener(pid))
    except OSError:
        return None  # an older kernel, or a sandbox without it


def _die_with_parent() -> None:
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return  # the sentry does the same, a moment later
