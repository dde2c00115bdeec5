"""A data folder copied while its host runs, and hosts that wait until they are told to work."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from infra.embedded.data_folder import DataFolder

_DATABASES: Final = ("queues", "documents", "audit", "figures")
"""In this order each has at least what the one before it speaks of."""
_FOLDERS: Final = ("secrets", "tls", "blobs", "blob-state")
_NOT_KEPT: Final = "receipts.db*"
"""What has come into the inbox is looked at anew: copied files are others."""


class BackupRefused(Exception):
    """With the reason."""


def back_up(folder: DataFolder, to: Path) -> None:
    """Copy what an installation is restored from, into a folder that is made: messages, documents,
    then files. A host on the copy waits until it is told. Raises BackupRefused, OSError."""
    if not folder.documents.exists():
        raise BackupRefused(f"{folder.root} is no data folder of a host")
    if to.resolve().is_relative_to(folder.root.resolve()):
        raise BackupRefused(f"{to} is in the data folder itself")
    try:
        to.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise BackupRefused(f"{to} is there already") from None
    # First of all: nobody starts on half a copy by mistake, or works with a whole one.
    pause(DataFolder(to))
    for name in _DATABASES:
        if (folder.root / f"{name}.db").exists():
            _copy_database(folder.root / f"{name}.db", to / f"{name}.db")
    for name in _FOLDERS:
        if (folder.root / name).is_dir():
            shutil.copytree(
                folder.root / name,
                to / name,
                symlinks=True,
                ignore=shutil.ignore_patterns(_NOT_KEPT) if name == "blob-state" else None,
                copy_function=_copy_file,
            )


def pause(folder: DataFolder) -> None:
    """A host that starts on it answers, and does nothing by itself until `resume`."""
    folder.paused.touch(mode=0o600)


def resume(folder: DataFolder) -> bool:
    """A host on it begins within a second. False: it was not told to wait."""
    try:
        folder.paused.unlink()
    except FileNotFoundError:
        return False
    return True


def _copy_database(live: Path, copy: Path) -> None:
    with closing(sqlite3.connect(live)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)


def _copy_file(source: str, target: str, *, follow_symlinks: bool = True) -> None:
    """One that goes away meanwhile was nobody's, or is deleted."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target, follow_symlinks=follow_symlinks)
        with suppress(PermissionError):
            found = os.stat(source, follow_symlinks=follow_symlinks)
            os.chown(target, found.st_uid, found.st_gid, follow_symlinks=follow_symlinks)
