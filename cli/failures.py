"""Why a command ended, and the exit code that says so to scripts."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    SIGN_IN = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


class CommandFailed(Exception):
    """Said to the user on stderr: what happened, each fault, and what to do next."""

    code = Exit.FAILED

    def __init__(self, message: str, *, faults: list[str] | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults or []
        self.hint = hint


class UsageFailed(CommandFailed):
    """What was typed, or a file, is not as it has to be; nothing was sent."""

    code = Exit.USAGE


class NotFound(CommandFailed):
    """A resource that isn't there."""

    code = Exit.NOT_FOUND


class SignInNeeded(CommandFailed):
    """No host is known, or it takes no credential that is."""

    code = Exit.SIGN_IN


class TimedOut(CommandFailed):
    """It was waited for as long as was asked; on the host it goes on."""

    code = Exit.TIMED_OUT


class Refused(CommandFailed):
    """The host's answer was an error: `status`, and `error_code` of ARM's envelope."""

    def __init__(
        self, status: int, error_code: str, message: str, faults: list[str], hint: str = ""
    ) -> None:
        super().__init__(message, faults=faults, hint=hint)
        self.status = status
        self.error_code = error_code
        if status == 404:
            self.code = Exit.NOT_FOUND
        elif status == 401:
            self.code = Exit.SIGN_IN
