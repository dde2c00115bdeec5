"""How scripts are kept apart in tests of a compute."""

import ctypes
from pathlib import Path
from typing import Final

from infra.compute.identity_lending import NothingLent
from infra.compute.local.isolation.isolation import Isolation
from infra.compute.local.isolation.means import Wish
from infra.compute.local.premises import RUNTIME
from infra.embedded.host.script_callers import ScriptCallers, no_nodes

NO_SCRIPTS: Final = ScriptCallers(lambda: range(0), no_nodes)
"""Nobody who calls is a script."""

TOGETHER: Final = Wish("off", "allow", (), ())
"""As if the machine had no means: scripts see the files and the process ids that the test sees."""


def cells(wish: Wish, data: Path) -> Isolation:
    """Of scripts that are nobody, in the folder of a compute."""
    return Isolation(wish, data, RUNTIME, NothingLent())


def isolated(meeting: Path) -> Wish:
    """As far as the machine can, but for a folder where a test and its scripts meet: whoever's
    users they are, they may write there."""
    meeting.mkdir(parents=True, exist_ok=True)
    meeting.chmod(0o777)
    return Wish("auto", "allow", (), (meeting,))


def processes_of(folder: Path) -> set[int]:
    """Those that run code from below `folder`, and all that they have started, by the numbers
    that the system gives them."""
    mark, found = f"AML_APP_ROOT={folder}/".encode(), set()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and mark in (process / "environ").read_bytes():
                found.add(int(process.name))
        except OSError:
            continue  # it has just ended, or is another user's
    return found


def without_network_rights() -> None:
    """For a process that is about to run a program: as that, it may not change routes, whoever's
    it is."""
    libc, drop_from_bounds, network_administration = ctypes.CDLL(None), 24, 12
    libc.prctl(drop_from_bounds, network_administration, 0, 0, 0)
