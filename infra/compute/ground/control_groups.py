"""What the host's control groups leave it of the machine.

A container, a systemd unit or a job scheduler may hold the host, and all that it starts, to less
memory and processor time than the machine has. Either version of control groups is read, at the
host's own group and at each above it: the least holds.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/self/cgroup")
_ROOT: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Held:
    """`memory` in bytes, `cores` as a number of whole ones; None: not held."""

    memory: int | None
    cores: float | None


def held(own: Path = _PROC, root: Path = _ROOT) -> Held:
    """`own` names this process' groups, which are folders below `root`."""
    memory: list[int] = []
    cores: list[float] = []
    for controllers, path in _groups(own):
        tops = [root / name for name in controllers] or [root, root / "unified"]
        for folder in (each for top in tops for each in _upwards(top, path)):
            memory += _numbers(folder, "memory.max", "memory.limit_in_bytes")
            cores += _cores(folder)
    return Held(min(memory, default=None), min(cores, default=None))


def _groups(own: Path) -> Iterator[tuple[list[str], str]]:
    """Controllers (none: version 2) and path of each group that this process is in."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield [], path
        elif {"memory", "cpu"} & set(controllers.split(",")):
            yield [*controllers.split(","), controllers], path


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """The group's folder and those above it; in a container, where paths are the machine's, its
    own is `top`."""
    folder = top / path.strip("/")
    while folder != top:
        yield folder
        folder = folder.parent
    yield top


def _numbers(folder: Path, *names: str) -> Iterator[int]:
    """Version 2 has `max`, and version 1 a number beyond all machines, where nothing holds."""
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            number = int((folder / name).read_text())
            if 0 < number < 2**60:
                yield number


def _cores(folder: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError):
        most, each = (folder / "cpu.max").read_text().split()
        yield int(most) / int(each)
    for quota in _numbers(folder, "cpu.cfs_quota_us"):
        for period in _numbers(folder, "cpu.cfs_period_us"):
            yield quota / period
