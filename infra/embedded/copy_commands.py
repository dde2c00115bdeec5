"""What `python -m infra.embedded backup`, `pause` and `resume` do."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.embedded.access.private_files import keep_private
from infra.embedded.backing_up import BackupRefused, back_up, pause, resume
from infra.embedded.data_folder import DataFolder

COMMANDS: Final = ("backup", "pause", "resume")
_WHAT: Final = {
    "backup": "Copy the data folder into another, while its host runs or not. A host that is"
    " started on the copy answers, and waits for `resume` before it does anything by itself.",
    "pause": "Have the next host that starts on the folder wait for `resume`: it answers, and"
    " delivers nothing, runs no schedule or job and takes no dropped file meanwhile.",
    "resume": "Have the host on the folder begin, or the next one that starts.",
}


def run(command: str, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=f"python -m infra.embedded {command}", description=_WHAT[command]
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="default: .data")
    if command == "backup":
        parser.add_argument("to", type=Path, help="the folder to make")
    options = parser.parse_args(list(arguments))
    folder = DataFolder(options.data_dir.absolute())
    keep_private()
    try:
        told = _done(command, folder, options)
    except (BackupRefused, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{told}\n")
    return 0


def _done(command: str, folder: DataFolder, options: argparse.Namespace) -> str:
    if command == "backup":
        back_up(folder, options.to.absolute())
        return f"{options.to} is a copy; a host on it waits for `resume --data-dir {options.to}`."
    if not folder.root.is_dir():
        raise BackupRefused(f"{folder.root} is no folder")
    if command == "pause":
        pause(folder)
        return "The next host that starts on it waits."
    return "It goes on." if resume(folder) else "It was not told to wait."
