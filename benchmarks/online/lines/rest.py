"""What a host costs that nobody asks anything: the share of a core, and resident memory, with
nothing deployed and with endpoints that sleep, both at the same time."""

import time
from pathlib import Path

from benchmarks.online.lines import sleepers
from benchmarks.reach.line import Line, at_most
from infra.compute.local.processes.process_groups import cpu_seconds
from outside.running_host import RunningHost

_QUIET = 40.0
"""Seconds until a host takes it that nobody is at work in its folders, and more."""
_SECONDS = 60.0
_REACH = {"nothing": 0.3, "sleepers": 1.0}
_MEMORY = 80
_MB = 2**20


def measure(folder: Path, endpoints: int) -> list[Line]:
    with (
        RunningHost(folder / "empty", "--port", "0", "--http") as empty,
        RunningHost(folder / "asleep", "--port", "0", "--http", environment=sleepers.IDLE) as full,
    ):
        sleepers.add(full, endpoints)
        time.sleep(_QUIET)
        began, before = time.monotonic(), [_used(host) for host in (empty, full)]
        time.sleep(_SECONDS)
        lasted = time.monotonic() - began
        nothing, asleep = (
            (_used(host) - used) / lasted * 100
            for host, used in zip((empty, full), before, strict=True)
        )
        memory, with_sleepers = (host.memory() / _MB for host in (empty, full))
    what = "CPU at rest, of a core,"
    return [
        at_most(f"{what} nothing deployed", f"{nothing:.2f} %", nothing, _REACH["nothing"], "%"),
        at_most(
            f"{what} {endpoints:,} endpoints asleep",
            f"{asleep:.2f} % ({with_sleepers:.0f} MB)",
            asleep,
            _REACH["sleepers"],
            "%",
        ),
        at_most("resident memory, nothing deployed", f"{memory:.0f} MB", memory, _MEMORY, "MB"),
    ]


def _used(host: RunningHost) -> float:
    seconds = cpu_seconds(host.pid)
    assert seconds is not None, "the host has ended"
    return seconds
