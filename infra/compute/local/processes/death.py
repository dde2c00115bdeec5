"""Why an instance's process ended, in words a user can act on."""

import json
import signal
from dataclasses import dataclass
from typing import Any, Final

from infra.compute.ground.failure import StartFailure

SCRIPT_FAILED: Final = 3
NOT_READY: Final = "ResourceNotReady"
_HOPELESS: Final = frozenset({"UserScriptImportError", "UserScriptFunctionNotFound"})


@dataclass(frozen=True)
class Memory:
    """In bytes: the most that an instance was seen to use, and what it has."""

    peak: int
    limit: int

    def __str__(self) -> str:
        return (
            f"it used {_mib(self.peak)} of memory at its peak, and its instance type has "
            f"{_mib(self.limit)}"
        )


@dataclass(frozen=True)
class Death:
    """`final`: another try would end the same way. `code` is Azure ML's. The process's output
    ended with `trace`, the traceback that explains it, and `told`, what it says to us alone."""

    reason: str
    code: str = NOT_READY
    final: bool = False
    trace: bytes = b""
    told: bytes = b""

    def failure(self, times: int, words: str) -> StartFailure:
        """The death as the reason to stop trying; `words` are the end of what it said."""
        again = f"{self.sentence} It died {times} times in a row." if times > 1 else self.reason
        tail = f"\nThe end of its log:\n{words}" if words else ""
        return StartFailure(self.code, f"{again}{tail}")

    @property
    def sentence(self) -> str:
        return self.reason + ("" if self.reason.endswith((".", "!", "?")) else ".")


def of_exit(status: int, words: bytes, memory: Memory | None) -> Death:
    """The death of a process that ended by itself, by what it said in its life."""
    if status == SCRIPT_FAILED and (death := _of_script(words)) is not None:
        return death
    if status >= 0:
        return Death(f"Its process ended with exit status {status}.")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if status == -signal.SIGKILL and memory is not None:
        # Perhaps by the system, which does so when memory runs out.
        return Death(f"Its process was killed by {name}; {memory}.")
    return Death(f"Its process was killed by {name}.")


def out_of_memory(memory: Memory, *, was_ready: bool) -> Death:
    """The death of one that was killed for what it used. What is too much before it is ready
    will be too much again."""
    when = "" if was_ready else " before it was ready"
    return Death(f"It ran out of memory{when}: {memory}. It was killed.", final=not was_ready)


def _of_script(words: bytes) -> Death | None:
    """By what the runtime says of it: a line of JSON after the traceback, whose length it has.
    Something that the script left running may have said more since."""
    lines = words.splitlines(keepends=True)
    for number in range(len(lines) - 1, -1, -1):
        said = _said(lines[number])
        if said is None:
            continue
        told = lines[number] if number == len(lines) - 1 else b""
        length = said.get("trace")
        before = words.removesuffix(told)
        trace = before[-length:] if told and isinstance(length, int) and length > 0 else b""
        code = said["code"]
        return Death(str(said.get("message", "")), code, code in _HOPELESS, trace, told)
    return None


def _said(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and isinstance(said.get("code"), str) else None


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
