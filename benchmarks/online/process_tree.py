"""A process and all that came of it, whatever sessions and groups they made for themselves."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_GRACE = 10.0


def adopt_orphans() -> None:
    """From now on a daemon that one of ours leaves behind becomes our own child, so that
    `end_children` finds it."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """The living processes below `pid`, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                parent = int(_stat(entry)[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, looking = [], [pid]
    while looking:
        below = children.get(looking.pop(), [])
        found += below
        looking += below
    return found


def memory(pid: int) -> int:
    """Resident bytes of `pid` and all below it; what they share is counted in each."""
    pages = 0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def end_children() -> None:
    """Ask all that is below this process to end, and kill what has not within a grace."""
    below = descendants(os.getpid())
    _tell(below, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while _reap(below) and time.monotonic() < deadline:
        time.sleep(0.05)
    while left := _reap(descendants(os.getpid())):
        _tell(left, signal.SIGKILL)
        time.sleep(0.05)


def _stat(entry: Path) -> list[str]:
    return (entry / "stat").read_text().rpartition(")")[2].split()


def _tell(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _reap(pids: list[int]) -> list[int]:
    """Those that still run; zombies of ours are taken away."""
    left = []
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        with contextlib.suppress(OSError):
            if _stat(Path(f"/proc/{pid}"))[0] != "Z":
                left.append(pid)
    return left
