"""Why a process has died, in words, and whether another would die of it too."""

from __future__ import annotations

import json
import signal
from typing import Any, NamedTuple

from ...script import EXIT_CODE, FUNCTION_NOT_FOUND, IMPORT_ERROR
from ..faults import NOT_READY

_HOPELESS = (FUNCTION_NOT_FOUND, IMPORT_ERROR)


class Death(NamedTuple):
    """`final`: another try would end the same way. `code` is Azure ML's. What the process printed
    ended with `trace`, the traceback that explains it, and `told`, the line by which it told the
    agent, and nobody else."""

    reason: str
    code: str = NOT_READY
    final: bool = False
    told: bytes = b""
    trace: bytes = b""

    @property
    def sentence(self) -> str:
        return self.reason if self.reason.endswith((".", "!", "?")) else f"{self.reason}."


def of_exit(status: int, words: bytes, *, out_of_memory: bool, limit: int | None) -> Death:
    """Of a process that ended by itself, by what it said in its life."""
    if status == EXIT_CODE:
        death = _of_script(words)
        if death is not None:
            return death
    if status >= 0:
        return Death(f"Its process ended with exit status {status}.")
    if status == -signal.SIGKILL and out_of_memory:
        told = f": the container has {limit / 2**20:,.0f} MiB" if limit else ""
        return Death(f"It ran out of memory and was killed{told}.")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return Death(f"Its process was killed by {name}.")


def _of_script(words: bytes) -> Death | None:
    lines = words.splitlines()
    for number in range(len(lines) - 1, -1, -1):
        told = _told(lines[number])
        if told is None:
            continue
        line = lines[number] + b"\n"
        code, length, trace = told["code"], told.get("trace"), b""
        if words.endswith(line) and isinstance(length, int) and length > 0:
            trace = words[: -len(line)][-length:]
        return Death(str(told.get("message", "")), code, code in _HOPELESS, line, trace)
    return None


def _told(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("code"), str) else None
