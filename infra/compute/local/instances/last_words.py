"""What the processes of one instance, each in place of the one before, say of their ends."""

from typing import Final

from infra.compute.local.processes.death import Death
from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.printed_lines import plain

_LINES: Final = 30


class LastWords:
    """Keeps each traceback once in the instance's log, however often it is the reason. Blocks
    on the disk, but for `begin`."""

    def __init__(self, log: InstanceLog) -> None:
        self._log = log
        self._began = 0
        self._trace = b""

    def begin(self) -> None:
        """A process starts."""
        self._began = self._log.position()

    def all(self) -> bytes:
        """What it has said."""
        return self._log.since(self._began)

    def end(self, death: Death) -> str:
        """It is dead, and all of its group: the last lines of what it said, for whoever is told
        of its failure, from whose log they may be gone."""
        words = self.all().removesuffix(death.told)
        if death.told:
            trace = plain(death.trace)
            news = trace != self._trace
            self._log.replace_end(death.trace + death.told, death.trace if news else b"")
            self._trace = trace
        return "\n".join(plain(words).decode("utf-8", "replace").splitlines()[-_LINES:])
