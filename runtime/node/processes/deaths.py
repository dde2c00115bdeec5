"""Why a process has died, in words, and whether another would die of it too."""

from __future__ import annotations

import json
import signal
from typing import Any, NamedTuple

from ...script import EXIT_CODE, FUNCTION_NOT_FOUND, IMPORT_ERROR
from ..faults import NOT_READY

_HOPELESS = (FUNCTION_NOT_FOUND, IMPORT_ERROR)


class Death(NamedTuple):
    """`final`: another try would end the same way. `code` is Azure ML's. `told` is the line by
    which the process told the agent, and nobody else."""

    reason: str
    code: str = NOT_READY
    final: bool = False
    told: bytes = b""

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
    for line in reversed(words.splitlines()):
        told = _told(line)
        if told is not None:
            code = told["code"]
            return Death(str(told.get("message", "")), code, code in _HOPELESS, line + b"\n")
    return None


def _told(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("code"), str) else None
