"""Short private paths for sockets: the system allows some hundred characters, fewer than a
data folder's path may have."""

import os
import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import Final

from infra.compute.local.processes import scratch

_PREFIX: Final = "mle-"
_OWNER: Final = "owner"
_LONGEST: Final = 60


class Sockets:
    """One folder, 0700, made for the first socket, and one below `scratches`: both removed at
    `close`. Those of hosts that died are removed by `sweep`."""

    def __init__(self, scratches: Path) -> None:
        self._scratches = scratches
        self._folder: Path | None = None
        self._numbers = count(1)

    def sweep(self) -> None:
        self._scratches.mkdir(parents=True, exist_ok=True)
        above = _above()
        for stale in above.glob(f"{_PREFIX}*"):
            if _is_ours(stale) and not _is_alive(stale):
                shutil.rmtree(stale, ignore_errors=True)
        for stale in self._scratches.iterdir():
            if not _is_alive(above / stale.name):
                scratch.remove(stale)

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            scratch.remove(self._scratches / self._folder.name)
            self._folder = None

    def new(self) -> Path:
        """A path no process had before, so that no connection can reach the wrong one."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_above()))
            (self._folder / _OWNER).write_text(str(os.getpid()))
        return self._folder / f"{next(self._numbers)}.s"

    def scratch(self, socket: Path) -> Path:
        """A folder for the temporary files of the process behind a socket."""
        folder = self._scratch_of(socket)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self, socket: Path) -> None:
        """The process is gone; so go its socket and temporary files."""
        socket.unlink(missing_ok=True)
        shutil.rmtree(self._scratch_of(socket), ignore_errors=True)

    def _scratch_of(self, socket: Path) -> Path:
        return self._scratches / socket.parent.name / socket.stem


def _above() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= _LONGEST else Path("/tmp")


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid() and (folder / _OWNER).is_file()
    except OSError:
        return False


def _is_alive(folder: Path) -> bool:
    try:
        os.kill(int((folder / _OWNER).read_text()), 0)
    except (ProcessLookupError, ValueError, OSError):
        return False
    return True
