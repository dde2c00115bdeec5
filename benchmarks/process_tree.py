"""A process and all that came of it, whatever sessions and groups they made for themselves."""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
_GRACE = 5.0
_LIMIT = 15.0


def adopt_orphans() -> None:
    """From now on a daemon that one of ours leaves behind becomes our own child, so that
    `end_children` finds it. Linux."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """The living processes below `pid`, without it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                # A name is in brackets, and may hold spaces and brackets of its own.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, ahead = [], [pid]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def memory(pid: int) -> int:
    """Resident bytes of `pid` and all below it; what they share is counted in each."""
    pages = 0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(OSError, IndexError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most that `memory` said of a process, asked twice a second while `watching`."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextlib.contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        def look() -> None:
            self.bytes = max(self.bytes, memory(pid))

        with looking(look, every=0.5):
            yield


@contextlib.contextmanager
def looking(look: Callable[[], None], *, every: float) -> Iterator[None]:
    """`look`, each so many seconds, in a thread of its own."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def end_children() -> None:
    """Ask all that is below this process to end, and kill what has not within a grace."""
    started = time.monotonic()
    number = signal.SIGTERM
    while below := _left():
        if time.monotonic() > started + _GRACE:
            number = signal.SIGKILL
        if time.monotonic() > started + _LIMIT:
            raise RuntimeError(f"processes that do not end: {below}")
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.05)


def _left() -> list[int]:
    """What still runs below this process, its dead buried."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return descendants(os.getpid())
