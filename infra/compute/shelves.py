"""Folders of this machine in which files are lent to the nodes of a group, which read theirs and
see no other. What is not seen there is fetched, as from anywhere else."""

import os
import shutil
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

SEEN: Final = "/lent"
"""Where a node sees its group's."""
_KEPT: Final = 7 * 24 * 3600.0
"""Seconds after which what nobody has taken back is taken back."""
_PEER: Final = struct.Struct("3i")


class Shelves:
    """Below `root`; None where containers see no folder of this machine. Blocking, a few calls
    each."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def mounts(self, group: str) -> Sequence[str]:
        """The group's, as a container is told of it: to be read."""
        if self._root is None:
            return ()
        folder = self._root / group
        with suppress(OSError):  # without it, all is fetched
            folder.mkdir(parents=True, exist_ok=True)
            self._root.chmod(0o700)
            folder.chmod(0o755)
            return (f"{folder}:{SEEN}:ro",)
        return ()

    def place(self, group: str, unit: str) -> Path | None:
        """Where files of a unit may be lent to the group: there is no such folder yet."""
        return None if self._root is None else self._root / group / unit

    def clear(self, group: str) -> None:
        if self._root is not None:
            shutil.rmtree(self._root / group, ignore_errors=True)

    def sweep(self) -> None:
        """What hosts have left that were killed."""
        if self._root is None:
            return
        before = time.time() - _KEPT
        for unit in self._root.glob("*/*"):
            with suppress(OSError):
                if unit.stat().st_mtime < before:
                    shutil.rmtree(unit, ignore_errors=True)


NO_SHELVES: Final = Shelves(None)


def shares_files(engine: str) -> bool:
    """Whether the engine at this URL has the folders of this machine under the names that they
    have here: whoever listens at its socket is a process of this machine, with its mounts."""
    if not engine.startswith("unix://"):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(1.0)
            asking.connect(engine.removeprefix("unix://"))
            peer = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            pid, _, _ = _PEER.unpack(peer)
    except (OSError, AttributeError):  # macOS has no such thing, and its engines a machine apart
        return False
    if pid <= 0:
        return False  # of another namespace: this host is in a container
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    except OSError:
        return pid == 1 or Path(f"/proc/{pid}").exists()  # root's, which nobody else looks into
