"""What is said to a person, on stderr: never on stdout, which is for answers."""

import os
import sys
from typing import TextIO

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "bold": "1", "dim": "2"}


class _Manner:
    quiet = False


def be_quiet() -> None:
    """Say errors alone from here on (`--only-show-errors`)."""
    _Manner.quiet = True


def say(message: str) -> None:
    """One line of what is being done."""
    if not _Manner.quiet:
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


def quiet() -> bool:
    """Whether only errors are to be said."""
    return _Manner.quiet


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """Text in a colour where a person sees it: not in pipes, nor where NO_COLOR is set."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees; without a person, only `--yes` does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} (y/N): ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
