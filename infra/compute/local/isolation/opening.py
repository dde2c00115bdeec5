"""Files of the host's that a script's own user may read, where it sees them at all."""

import os
import stat
from pathlib import Path
from typing import Final

_FILE: Final = 0o044
_PROGRAM: Final = 0o055
"""Folders too."""


def open_to_all(folder: Path) -> None:
    """Everything in it may be read by any user who comes to it; those above it, which are the
    host's alone, let nobody come but by a view of his own. Blocking. The folder's own mode is
    changed last: one that is open is so all through."""
    mode = folder.stat().st_mode
    if mode & _PROGRAM == _PROGRAM:
        return
    for place, folders, files in os.walk(folder):
        for name in folders:
            _add(os.path.join(place, name), _PROGRAM)
        for name in files:
            open_file_to_all(os.path.join(place, name))
    folder.chmod(stat.S_IMODE(mode) | _PROGRAM)


def open_file_to_all(path: str | Path) -> None:
    _add(path, _FILE)


def _add(path: str | Path, rights: int) -> None:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return
    if mode & stat.S_IXUSR:
        rights = _PROGRAM
    if mode & rights != rights:
        os.chmod(path, stat.S_IMODE(mode) | rights)
