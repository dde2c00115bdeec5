"""The disk of the data folder, of which some is kept back for what is in hand.

New work ends in trouble first where the disk runs full: a job half done, a deployment whose
environment cannot be built. So it is refused while there is little left, and scoring, running jobs
and the changes that make room go on with what is kept back.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import StorageFull
from domain.ports import StorageRoom

_log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 1.0
_TRY_AGAIN: Final = 30.0
"""Seconds."""


@dataclass(frozen=True)
class DiskSpace:
    """In bytes; `free` is what the host's user may have."""

    total: int
    free: int


def space(folder: Path) -> DiskSpace:
    """Of the disk that holds it."""
    found = os.statvfs(folder)
    return DiskSpace(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class DiskRoom(StorageRoom):
    """Keeps `reserve` bytes back of the disk that holds `folder`; looks at most once a second."""

    def __init__(
        self,
        folder: Path,
        reserve: int,
        look: Callable[[Path], DiskSpace] = space,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self.reserve = reserve
        self._look = look
        self._clock = clock
        self._looked = -_LOOK_AGAIN
        self._is_short = False

    async def check(self) -> None:
        if await self.is_short():
            raise StorageFull(
                f"The disk of this installation has less free than the {_mib(self.reserve)} that "
                "are kept back for what runs (ML_ENDPOINTS_DISK_RESERVE): no new job, "
                "deployment or upload is begun. Delete jobs, versions or files that nobody needs, "
                "or give the disk more room; it goes on by itself then.",
                retry_after=_TRY_AGAIN,
            )

    async def space(self) -> DiskSpace:
        return await asyncio.to_thread(self._look, self._folder)

    async def is_short(self) -> bool:
        """Whether new work is refused."""
        if self._clock() - self._looked >= _LOOK_AGAIN:
            found = await self.space()
            self._looked = self._clock()
            self._tell(found.free < self.reserve, found.free)
        return self._is_short

    def _tell(self, is_short: bool, free: int) -> None:
        if is_short is self._is_short:
            return
        self._is_short = is_short
        if is_short:
            _log.warning(
                "The disk has %s free: no new work is begun while that is less than %s",
                _mib(free),
                _mib(self.reserve),
                extra={"action": "disk_short", "free": free},
            )
        else:
            _log.info(
                "The disk has %s free again: new work is begun",
                _mib(free),
                extra={"action": "disk_recovered", "free": free},
            )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
