"""How much of the disk a process' own files take, looked at from outside with bounded cost.

Its temporary folder is walked a part at a time, in threads; what it has deleted and
holds open counts too. The kernel holds each single file to the same limit, wherever it is
(RLIMIT_FSIZE), so that none outgrows it between two looks.
"""

import asyncio
import contextlib
import os
import resource
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.compute.local.processes.process_groups import and_descendants

_LEAST: Final = 1024
"""Bytes that an entry counts for, however little is in it: it takes an inode."""
_STEP: Final = 1000
_STEPS_A_LOOK: Final = 20
_EVERY: Final = 2.0
_REST: Final = 20.0
"""It rests for so many times what a look took."""
_MOST_OPEN: Final = 10_000


class TooManyFiles(Exception):
    """The process has more than it may, or what it has cannot be seen."""


class ScriptFiles:
    """Of the process `pid` and all it starts, whose temporary files are in `folder`: at most
    `most` bytes. A look takes 20 steps of so many entries."""

    def __init__(
        self,
        folder: Path,
        pid: int,
        most: int,
        *,
        step: int = _STEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._pid = pid
        self._most = most
        self._walk = _Walk(folder, step)
        self._rest = _Rest(clock)

    async def look(self) -> None:
        """Raises TooManyFiles. It looks only if it has rested since the last time."""
        used = await self._rest.between(self._look)
        if used is not None and used > self._most:
            raise TooManyFiles(
                f"Its temporary files take {_mib(used)} of the disk, and a script's may take "
                f"{_mib(self._most)} (ML_ENDPOINTS_SCRIPT_FILES_MAX_BYTES). It was killed."
            )

    def _look(self) -> int:
        """The most that is known to be there by now: a large folder takes several looks."""
        processes = list(and_descendants(self._pid))
        for process in processes:
            self._hold(int(process.name))
        held = _held_open(processes, self._folder)
        return held + self._walk.on(self._most - held)

    def _hold(self, pid: int) -> None:
        """Let no file of the process grow beyond the limit. Where that may not be said of
        another's process, the looks have to do."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            if soft == resource.RLIM_INFINITY or soft > self._most:
                most = self._most if hard == resource.RLIM_INFINITY else min(hard, self._most)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


class OutputFiles:
    """What all of a job's workers have written to its output `folder`: at most `most` bytes."""

    def __init__(
        self,
        folder: Path,
        most: int,
        *,
        step: int = _STEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._walk = _Walk(folder, step)
        self._rest = _Rest(clock)

    async def look(self) -> None:
        """As ScriptFiles'."""
        used = await self._rest.between(lambda: self._walk.on(self._most))
        if used is not None and used > self._most:
            raise TooManyFiles(
                f"What its job's scripts have written to their output folder takes {_mib(used)} of "
                f"the disk, and may take {_mib(self._most)} "
                "(ML_ENDPOINTS_SCRIPT_OUTPUT_MAX_BYTES). It was killed."
            )


@dataclass(frozen=True)
class FileLimits:
    """In bytes: of one process' temporary files, and of what a job's scripts write to its output
    folder, where that has a limit."""

    temporary: int
    output: int | None

    def watches(
        self, home: Path, pid: int, outputs: Sequence[Path]
    ) -> Sequence[ScriptFiles | OutputFiles]:
        """Of a process whose temporary files are in `home`."""
        own = ScriptFiles(home, pid, self.temporary)
        if self.output is None:
            return [own]
        return [own, *(OutputFiles(folder, self.output) for folder in outputs)]


class _Rest:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = 0.0

    async def between(self, look: Callable[[], int]) -> int | None:
        """What a look shows, in a thread; None while it is to rest."""
        now = self._clock()
        if now < self._next:
            return None
        found = await asyncio.to_thread(look)
        took = self._clock() - now
        self._next = now + took + max(_EVERY, _REST * took)
        return found


class _Walk:
    """Through a folder, round and round."""

    def __init__(self, folder: Path, step: int) -> None:
        self._folder = folder
        self._step = step
        self._sizes: Iterator[int] = iter(())

    def on(self, enough: int) -> int:
        """A part of the way, or until there is more than enough: what this round has found."""
        found = 0
        for _ in range(_STEPS_A_LOOK):
            size = next(self._sizes, None)
            if size is None:
                self._sizes = self._round()
                break
            found = size
            if found > enough:
                break
        return found

    def _round(self) -> Iterator[int]:
        """What has been found so far, each time some more entries have been looked at; and at
        the end. Links are not followed."""
        total, looked = 0, 0
        for place, folders, files in os.walk(self._folder, onerror=_unseen):
            for name in (*folders, *files):
                try:
                    total += max(os.lstat(os.path.join(place, name)).st_blocks * 512, _LEAST)
                except OSError as error:
                    _unseen(error)
                looked += 1
                if looked % self._step == 0:
                    yield total
        yield total


def _unseen(error: OSError) -> None:
    """What is gone takes nothing; what may not be looked at may take anything."""
    if isinstance(error, PermissionError):
        raise TooManyFiles(
            f"It has closed {error.filename} to its own user, and what that takes of the disk "
            "cannot be seen. It was killed."
        ) from None


def _held_open(processes: list[Path], folder: Path) -> int:
    """Bytes of files on the folder's disk that have no name any more."""
    seen: dict[int, int] = {}
    with contextlib.suppress(OSError):
        disk = folder.stat().st_dev
        for number, path in enumerate(_descriptors(processes)):
            if number == _MOST_OPEN:
                break
            with contextlib.suppress(OSError):
                found = os.stat(path)
                if stat.S_ISREG(found.st_mode) and not found.st_nlink and found.st_dev == disk:
                    seen[found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def _descriptors(processes: list[Path]) -> Iterator[str]:
    for process in processes:
        with contextlib.suppress(OSError), os.scandir(process / "fd") as entries:
            for entry in entries:
                yield entry.path


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
