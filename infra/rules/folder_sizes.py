"""How much of the disk a folder takes, as far as it can be told within bounds."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST: Final = 200_000
"""Entries that one count looks at."""


@dataclass(frozen=True)
class FolderSize:
    """`size` in bytes; where it is not complete, there is more."""

    size: int
    is_complete: bool = True


def folder_size(path: Path, most: int = MOST) -> FolderSize:
    """Blocking. Of a file too; 0 of what is not there. Links are not followed."""
    total = looked = 0
    with contextlib.suppress(OSError):
        total += os.lstat(path).st_blocks * 512
    for place, folders, files in os.walk(path):
        for name in (*folders, *files):
            if looked == most:
                return FolderSize(total, is_complete=False)
            looked += 1
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return FolderSize(total)
