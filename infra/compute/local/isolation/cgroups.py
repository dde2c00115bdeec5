"""Control groups: what a process and all that it starts may take of the machine.

Version 1 has a tree for each kind of limit, version 2 one for all, where the host first has to
step aside into a group of its own, for a group that has groups has no processes.
"""

import atexit
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PREFIX: Final = "ml-endpoints-"
_HOST: Final = "ml-endpoints-host"
_TRIES: Final = 20
_PAUSE: Final = 0.01
_KERNEL_ROOM: Final = 32 * 1024 * 1024
"""Bytes beyond a script's own memory, for what the kernel keeps of its processes."""
PROCESSES: Final = 2048
"""Processes and threads that one script may have at a time."""


def usable() -> Mapping[str, Path]:
    """By kind ("memory", "pids"): a folder in which this process may make groups, made for it."""
    found: dict[str, Path] = {}
    for kind in ("memory", "pids"):
        with contextlib.suppress(OSError):
            own = _own(kind)
            if own is not None:
                _sweep(own)
                place = own / f"{_PREFIX}{os.getpid()}"
                place.mkdir(mode=0o700, exist_ok=True)
                if (place / "cgroup.controllers").exists():
                    (place / "cgroup.subtree_control").write_text(f"+{kind}")
                Group({kind: place}, "trial", 1 << 30).remove()
                found[kind] = place
    atexit.register(_leave, found)
    return found


class Group:
    """One process's own. Raises OSError."""

    def __init__(self, places: Mapping[str, Path], name: str, memory: int) -> None:
        self._folders = {kind: place / name for kind, place in places.items()}
        try:
            for kind, folder in self._folders.items():
                folder.mkdir(mode=0o700, exist_ok=True)
                for file, value in _limits(kind, folder, memory).items():
                    (folder / file).write_text(value)
        except OSError:
            self.remove()
            raise

    @property
    def joining(self) -> list[str]:
        """The files that a process writes its number to."""
        return sorted({str(folder / "cgroup.procs") for folder in self._folders.values()})

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process for what they took."""
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError, KeyError):
                for line in (self._folders["memory"] / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return line != "oom_kill 0"
        return False

    def remove(self) -> None:
        """With all processes that are left."""
        for folder in set(self._folders.values()):
            _remove(folder)


def _remove(folder: Path) -> None:
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # the last of them is just ending
            time.sleep(_PAUSE)
        else:
            return


def _leave(places: Mapping[str, Path]) -> None:
    for place in set(places.values()):
        with contextlib.suppress(OSError):
            place.rmdir()


def _limits(kind: str, folder: Path, memory: int) -> Mapping[str, str]:
    if kind == "pids":
        return {"pids.max": str(PROCESSES)}
    limit = str(memory + _KERNEL_ROOM)
    if not (folder / "memory.max").exists():
        swap = {"memory.memsw.limit_in_bytes": limit}
        with_swap = (folder / "memory.memsw.limit_in_bytes").exists()
        return {"memory.limit_in_bytes": limit, **(swap if with_swap else {})}
    swap = {"memory.swap.max": "0"} if (folder / "memory.swap.max").exists() else {}
    return {"memory.max": limit, "memory.oom.group": "1", **swap}


def _own(kind: str) -> Path | None:
    """The folder of the group of `kind` that this process is in, ready to have groups."""
    mounted = _mounted(kind)
    if mounted is None:
        return None
    place, root, unified = mounted
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds == "" if unified else kind in kinds.split(","):
            own = place / os.path.relpath(path, root)
            return _made_ready(own, kind) if unified else own
    return None


def _mounted(kind: str) -> tuple[Path, str, bool] | None:
    """Where groups of that kind are, which group is at that place, and whether the tree is one
    for all kinds."""
    unified = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        type, _, options = after.split(" ", 2)
        if type == "cgroup" and kind in options.split(","):
            return Path(place), root, False
        if type == "cgroup2" and kind in (Path(place) / "cgroup.controllers").read_text().split():
            unified = Path(place), root, True
    return unified


def _made_ready(own: Path, kind: str) -> Path | None:
    """A group of the one tree whose groups may be limited, for it has no processes itself."""
    if own.name == _HOST:
        own = own.parent
    if kind not in (own / "cgroup.controllers").read_text().split():
        return None
    processes = set(map(int, (own / "cgroup.procs").read_text().split()))
    if processes - _line():
        return None  # they are others', and not ours to move
    aside = own / _HOST
    if processes:
        aside.mkdir(exist_ok=True)
        for process in processes:
            (aside / "cgroup.procs").write_text(str(process))
    (own / "cgroup.subtree_control").write_text(f"+{kind}")
    return own


def _line() -> set[int]:
    """This process, its children and those it comes from."""
    found, pid = set(), os.getpid()
    for task in Path("/proc/self/task").iterdir():
        found |= set(map(int, (task / "children").read_text().split()))
    while pid > 0 and pid not in found:
        found.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def _sweep(own: Path) -> None:
    """What hosts that died have left."""
    for place in own.glob(f"{_PREFIX}*"):
        number = place.name.removeprefix(_PREFIX)
        if number.isdecimal() and not Path(f"/proc/{number}").exists():
            for group in [each for each in place.iterdir() if each.is_dir()]:
                _remove(group)
            with contextlib.suppress(OSError):
                place.rmdir()
