"""Folders that a script has had to itself."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

_ALL: Final = 0o700


def remove(folder: Path) -> None:
    """Blocking, once its script is gone. Also what that has closed to its own user, who may be the
    host's."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
        return
    _open(str(folder))
    for place, folders, _ in os.walk(folder):
        for name in folders:
            _open(os.path.join(place, name))
    shutil.rmtree(folder, ignore_errors=True)


def _open(folder: str) -> None:
    with contextlib.suppress(OSError):
        if not os.path.islink(folder):
            os.chmod(folder, _ALL)
