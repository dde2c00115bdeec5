"""What the node's container takes of its machine, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

_HERE = Path("/sys/fs/cgroup")


def usage(here: Path = _HERE) -> dict[str, float]:
    """`cpu_seconds` since the container's start, of `cores`; `memory_bytes` that cannot be had
    back, of `memory_limit_bytes`. Nothing of what the kernel does not tell: outside a container,
    whose cgroup (version 2) is the root there, it tells neither."""
    found: dict[str, float] = {}
    memory = _number(here / "memory.current")
    if memory is None:
        return found
    limit = _number(here / "memory.max") or _whole_memory()
    if limit:
        held = memory - _line(here / "memory.stat", "inactive_file")
        found["memory_bytes"] = max(held, 0)
        found["memory_limit_bytes"] = limit
    used = _line(here / "cpu.stat", "usage_usec")
    if used:
        found["cpu_seconds"] = used / 1e6
        found["cores"] = _cores(here / "cpu.max")
    return found


def _cores(file: Path) -> float:
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # no bound of its own
        return float(os.cpu_count() or 1)


def _number(file: Path) -> int | None:
    """None where there is no such file, or no number in it (`max`)."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _line(file: Path, name: str) -> int:
    """The number after the name; 0 where there is none."""
    try:
        for line in file.read_text().splitlines():
            first, _, rest = line.partition(" ")
            if first == name:
                return int(rest)
    except (OSError, ValueError):
        pass
    return 0


def _whole_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
