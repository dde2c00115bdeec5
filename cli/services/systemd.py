"""systemd, by its own command."""

import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from cli.failures import CommandFailed

_NO_SYSTEMD = "systemd does not run this machine: `systemctl` is not here."


class Systemd(NamedTuple):
    """The machine's, or one's own."""

    own: bool

    def command(self, *words: str) -> list[str]:
        return ["systemctl", *(["--user"] if self.own else []), *words]

    def do(self, commands: Sequence[Sequence[str]]) -> None:
        """Each in its turn. Raises CommandFailed with what it said."""
        for command in commands:
            done = self._run(command)
            if done.returncode != 0:
                raise CommandFailed(
                    f"`{' '.join(command)}` failed: {done.stderr.strip() or done.returncode}",
                    hint=self._hint(done.stderr),
                )

    def shown(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit; of one that there is not, LoadState says so."""
        done = self._run(self.command("show", unit, f"--property={','.join(names)}"))
        pairs = (line.partition("=") for line in done.stdout.splitlines() if "=" in line)
        return {name: value for name, _, value in pairs}

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        if shutil.which(command[0]) is None:
            raise CommandFailed(
                _NO_SYSTEMD, hint="`mle service install --dry-run` shows the units; `mle up` runs."
            )
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _hint(self, said: str) -> str:
        if "bus" in said and self.own:
            return "Nobody is signed in as this user here: `loginctl enable-linger` keeps one."
        if "denied" in said or "authentication" in said:
            return "Units of the machine are root's: `sudo`, or without `--system`."
        return ""
