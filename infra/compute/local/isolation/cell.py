"""One life of a script's process, and what is its alone meanwhile."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from infra.compute.local.isolation.cgroups import Group
from infra.compute.local.isolation.lending import LendingDesk
from infra.compute.local.processes import scratch

HOME: Final = "home"


class Cell:
    """`command` is to be started with `environment` and the descriptors `passed`, which are the
    cell's own. Units reach the process over the `desk`, where it has one: else it reads them where
    they are. `place` is all that is on the disk, and `home` in it the process' temporary folder.
    `on_close` is told of the end."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        place: Path,
        *,
        passed: Sequence[int] = (),
        desk: LendingDesk | None = None,
        group: Group | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.command = command
        self.environment = environment
        self.passed = passed
        self.desk = desk
        self.home = place / HOME
        self._place = place
        self._group = group
        self._on_close = on_close

    def entered(self) -> None:
        """The process has begun, or never will."""
        for descriptor in self.passed:
            os.close(descriptor)
        self.passed = ()

    @property
    def out_of_memory(self) -> bool:
        """Whether the system ended a process in it for the memory that they took together."""
        return self._group is not None and self._group.out_of_memory

    def close(self) -> None:
        """The process is gone: so goes all that it started, and what it wrote for itself. (A
        namespace's processes have ended with its first.) Blocking."""
        self.entered()
        if self._group is not None:
            self._group.remove()
        scratch.remove(self._place)
        if self._on_close is not None:
            self._on_close()
