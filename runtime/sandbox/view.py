"""What a command sees of the machine's files: the system's own to read, and what it is given."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping

from . import kernel

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/sys",
    "/nix/store",
    "/gnu/store",
    "/run/opengl-driver",
    "/var/lib/ca-certificates",
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ACCELERATORS = ("nvidia*", "dri", "kfd", "infiniband")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_SHARED_MEMORY = "/dev/shm"
_PROCESSES = (
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
    "/proc/vmstat",
)
_NOT_ITS_OWN = frozenset({"cwd", "map_files", "net", "root", "task"})
"""In a process's folder: links to files, and what tells of others' sockets."""


def system_files(hidden: str) -> list[str]:
    """Real paths of what every command may read; nothing of the folder `hidden`."""
    names = os.path.realpath("/etc/resolv.conf")
    paths = [path for path in (*SYSTEM, names) if os.path.exists(path)]
    return without(paths, hidden)


def lent(given: Iterable[str], hidden: str) -> list[str]:
    """What is given to read, but for the folder `hidden` where it is somewhere below that; what is
    given of `hidden` itself stays."""
    found: list[str] = []
    for path in given:
        above = hidden.startswith(os.path.realpath(path).rstrip("/") + "/")
        found += without([path], hidden) if above else [path]
    return found


def without(paths: Iterable[str], hidden: str) -> list[str]:
    """The paths, each with all that is below it but for `hidden`; links as they are."""
    found: list[str] = []
    for path in paths:
        real = os.path.realpath(path)
        if real == hidden or real.startswith(hidden + "/"):
            continue
        if real == "/" or hidden.startswith(real.rstrip("/") + "/"):
            found += without((os.path.join(real, name) for name in os.listdir(real)), hidden)
        else:
            found.append(path)
    return found


def devices() -> list[str]:
    """Those that every command may use."""
    found = [f"/dev/{name}" for name in _DEVICES if os.path.exists(f"/dev/{name}")]
    for pattern in _ACCELERATORS:
        found += glob.glob(f"/dev/{pattern}")
    return found


def shown_of_processes() -> list[str]:
    """What a command may read of `/proc` where that is the machine's: of the processes, its own
    alone."""
    own = f"/proc/{os.getpid()}"
    return [*_PROCESSES, *(f"{own}/{name}" for name in os.listdir(own) if name not in _NOT_ITS_OWN)]


def opened(folder: str, path: str) -> int:
    """A descriptor of what is there from `folder`. No link is followed on the way, for what others
    may write to is not to lead elsewhere; but the first step may be one. Raises OSError."""
    first, *others = path.split("/")
    place = os.open(f"{folder}/{first}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in others:
        above = place
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            place = os.open(name, flags, dir_fd=above)
        finally:
            os.close(above)
    return place


def enter(root: str, *, readable: Iterable[str], writable: Mapping[str, str]) -> None:
    """Nothing else is there any more. `root` is an empty folder; what is at a value of `writable`
    is at its key. For the first process of a namespace of processes and one of mounts."""
    kernel.mount("none", "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    mask = os.umask(0o022)
    kernel.mount("tmpfs", root, "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, "mode=0755")
    for target in sorted({*readable, *writable}, key=lambda path: path.count("/")):
        source = writable.get(target)
        if source is not None:
            _bind(source, root + target, 0)
        elif not os.path.lexists(target):
            continue
        elif os.path.islink(target):
            _copy_link(target, root + target)
        else:
            _bind(target, root + target, kernel.READ_ONLY)
    _make_devices(root + "/dev")
    os.makedirs(root + "/proc", 0o755, exist_ok=True)
    flags = kernel.NO_SUID | kernel.NO_DEVICES | kernel.NO_EXEC
    kernel.mount("proc", root + "/proc", "proc", flags)
    kernel.make_root(root)
    flags = kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEVICES
    kernel.mount(None, "/", None, flags)
    os.umask(mask)


def _copy_link(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    if not os.path.lexists(target):
        os.symlink(os.readlink(source), target)


def _bind(source: str, target: str, restricted: int) -> None:
    _place(target, folder=os.path.isdir(source))
    kernel.mount(source, target, None, kernel.BIND | kernel.RECURSIVE)
    kernel.restrict_mounts(target, kernel.NO_SUID | kernel.NO_DEVICES | restricted)


def _place(target: str, *, folder: bool) -> None:
    os.makedirs(target if folder else os.path.dirname(target), 0o755, exist_ok=True)
    if not folder and not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _make_devices(folder: str) -> None:
    os.makedirs(folder, 0o755, exist_ok=True)
    for source in devices():
        target = f"{folder}/{os.path.basename(source)}"
        _place(target, folder=os.path.isdir(source))
        kernel.mount(source, target, None, kernel.BIND | kernel.RECURSIVE)
    for name, target in _LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    os.mkdir(f"{folder}/shm")
    flags = kernel.NO_SUID | kernel.NO_DEVICES
    kernel.mount("tmpfs", f"{folder}/shm", "tmpfs", flags, "mode=1777")
