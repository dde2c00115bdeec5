"""What the agent asks of the kernel beyond Python's own library."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_NO_LIMIT = 1 << 60


def guard_memory() -> None:
    """No process of this one's user may read its memory or its first environment, which have
    the secret and the key. (One with CAP_SYS_PTRACE may.)"""
    _prctl(_PR_SET_DUMPABLE, 0)


def reap_descendants() -> None:
    """Processes whose parent ends become this one's children, as they do of process 1."""
    if os.getpid() != 1:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def children() -> list[int]:
    """This process's children, dead ones that nobody has reaped left out."""
    us = os.getpid()
    return [pid for pid in _processes() if _is_child(pid, us)]


def bearing(mark: str) -> list[int]:
    """Processes whose environment was begun with the entry `mark`."""
    entry = mark.encode() + b"\0"
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if entry in file.read(1 << 20):
                found.append(pid)
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def out_of_memory_kills() -> int:
    """How often something was killed here because the container's memory had run out; 0 where
    that cannot be told."""
    for path in _EVENTS:
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            for line in file:
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return 0


def memory_limit() -> int | None:
    """The container's, in bytes."""
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            limit = int(file.read())
            return limit if limit < _NO_LIMIT else None
    return None


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _is_child(pid: int, parent: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, above = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return False
    return int(above) == parent and state != b"Z"
