"""Environments that nothing runs from, and what failed and killed builds left of others.

A builder holds the lock beside its environment's folder (runtime/environment.py), and whoever is
about to run from one touches it: neither is taken away under anybody's hands, also not where the
one who builds or begins is another host.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Final

COMPLETE: Final = ".ml-endpoints-complete"
"""The marker that runtime/environment.py writes last."""
WORK: Final = ".work"
_FILES: Final = (".log", ".json")
_FRESH: Final = 600.0


def prune(root: Path, in_use: Set[str], building: Set[str], keep: int, before: float) -> None:
    """Blocking. Delete what is half built and nobody builds; and of the environments that are
    neither `in_use` nor being built, all but the `keep` used last, and of these whatever was last
    used `before` then. What was touched in the last minutes stays: someone may be about to run
    from it."""
    fresh = _now(root) - _FRESH
    for name in in_use:
        with contextlib.suppress(FileNotFoundError):
            os.utime(root / name)
    taken = in_use | building
    idle = [each for each in _folders(root) if each.name.removesuffix(WORK) not in taken]
    half = [entry for entry in idle if not (entry / COMPLETE).is_file()]
    whole = sorted((entry for entry in idle if entry not in half), key=_used, reverse=True)
    old = [entry for number, entry in enumerate(whole) if number >= keep or _used(entry) < before]
    for entry in [*half, *old]:
        if _used(entry) < fresh:
            _remove(entry)
    names = {entry.name for entry in _folders(root)} | building
    for file in root.iterdir():
        if file.suffix in _FILES and file.stem not in names and _used(file) < min(before, fresh):
            file.unlink(missing_ok=True)


def _folders(root: Path) -> Iterator[Path]:
    """Those of environments, and builders' places of work."""
    return (entry for entry in root.iterdir() if entry.is_dir())


def _used(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _now(root: Path) -> float:
    """By the file system's clock, which may be another machine's."""
    mark = root / ".now"
    mark.touch()
    return mark.stat().st_mtime


def _remove(entry: Path) -> None:
    """Nothing happens to what somebody builds, here or in another process."""
    environment = entry.with_name(entry.name.removesuffix(WORK))
    lock = os.open(f"{environment}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Never half of one that looks whole.
        (entry / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(entry, ignore_errors=True)
        for suffix in _FILES:
            Path(f"{environment}{suffix}").unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
