"""Files that hold secrets."""

import contextlib
import os
import time
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that its user alone reads (0600), whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def forget_old(folder: Path, *, seconds: float) -> None:
    """Remove the files of a folder that nobody has written for so long."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if file.stat().st_mtime < time.time() - seconds:
                file.unlink()
