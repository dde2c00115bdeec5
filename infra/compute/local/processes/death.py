"""Why an instance's process ended, in words a user can act on."""

import json
import signal
from dataclasses import dataclass
from typing import Final

from infra.compute.local.failure import StartFailure

SCRIPT_FAILED: Final = 3
NOT_READY: Final = "ResourceNotReady"
_HOPELESS: Final = frozenset({"UserScriptImportError", "UserScriptFunctionNotFound"})


@dataclass(frozen=True)
class Death:
    """`final`: another try would end the same way. `code` is Azure ML's."""

    reason: str
    code: str = NOT_READY
    final: bool = False

    def failure(self, times: int, log_tail: str) -> StartFailure:
        """The death as the reason to stop trying."""
        stop = "" if self.reason.endswith((".", "!", "?")) else "."
        again = f"{stop} It died {times} times in a row." if times > 1 else ""
        tail = f"\nThe end of its log:\n{log_tail}" if log_tail else ""
        return StartFailure(self.code, f"{self.reason}{again}{tail}")


def of_exit(status: int, log_tail: str) -> Death:
    """The death of a process that ended by itself."""
    if status == SCRIPT_FAILED and (told := _told(log_tail)) is not None:
        code, message = told
        return Death(message, code, final=code in _HOPELESS)
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return Death(f"Its process was killed by {name}.")
    return Death(f"Its process ended with exit status {status}.")


def _told(log_tail: str) -> tuple[str, str] | None:
    """What the process said of its own end in its log's last line of JSON."""
    for line in reversed(log_tail.splitlines()):
        if not line.startswith("{"):
            continue
        try:
            body = json.loads(line)
        except ValueError:
            continue
        if isinstance(body, dict) and isinstance(body.get("code"), str):
            return body["code"], str(body.get("message", ""))
    return None
