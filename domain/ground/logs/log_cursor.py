"""Where a reader of logs is: what of each process it has been given."""

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.errors import Invalid
from domain.ground.logs.log_lines import LogLine

_MOST: Final = 8_000
_PROCESSES: Final = 200


@dataclass(frozen=True)
class LogCursor:
    """`given` has, for each process, the time of the last line and how many of that time there
    were. Lines without a time go by their number and by a digest of the last of them: of another
    log all are given."""

    given: dict[str, tuple[str, int]] = field(default_factory=dict)
    untimed: int = 0
    digest: str = ""

    def __str__(self) -> str:
        said = [[name, *each] for name, each in self.given.items()]
        body = json.dumps([1, said, self.untimed, self.digest], separators=(",", ":"))
        return base64.urlsafe_b64encode(zlib.compress(body.encode())).decode()

    @classmethod
    def read(cls, text: str) -> "LogCursor":
        """Raises Invalid."""
        try:
            if len(text) > _MOST:
                raise ValueError
            inflate = zlib.decompressobj()
            body = inflate.decompress(base64.urlsafe_b64decode(text.encode()), 100_000)
            _, said, untimed, digest = json.loads(body)
            given = {str(name): (str(time), int(count)) for name, time, count in said}
            return cls(given, int(untimed), str(digest))
        except (ValueError, TypeError, zlib.error):
            raise Invalid("The cursor is no log's: begin without one.", target="cursor") from None

    def after(self, lines: Sequence[LogLine]) -> tuple[list[LogLine], "LogCursor", bool]:
        """Which of `lines`, the end of a log, come after it; where one is then; and whether what
        came between is not among them any more."""
        new: list[LogLine] = []
        given = dict(self.given)
        counts: dict[tuple[str, str], int] = {}
        first: dict[str, str] = {}
        untimed = [line for line in lines if not line.time]
        known, number = self._known(untimed), 0
        for line in lines:
            if not line.time:
                number += 1
                if number > known:
                    new.append(line)
                continue
            first.setdefault(line.process, line.time)
            place = line.process, line.time
            counts[place] = counts.get(place, 0) + 1
            time, count = self.given.get(line.process, ("", 0))
            if line.time > time or (line.time == time and counts[place] > count):
                new.append(line)
                given.pop(line.process, None)
                given[line.process] = line.time, counts[place]
        missed = any(time < first[name] for name, (time, _) in self.given.items() if name in first)
        kept = dict(list(given.items())[-_PROCESSES:])
        last = _digest(untimed[-1]) if untimed else ""
        return new, LogCursor(kept, len(untimed), last), missed

    def _known(self, untimed: Sequence[LogLine]) -> int:
        """How many of the lines without a time were given."""
        if not self.untimed:
            return 0
        if len(untimed) >= self.untimed and _digest(untimed[self.untimed - 1]) == self.digest:
            return self.untimed
        # The end of a longer log: what was given last stands further up.
        back = (n for n in range(len(untimed), 0, -1) if _digest(untimed[n - 1]) == self.digest)
        return next(back, 0)


def _digest(line: LogLine) -> str:
    return hashlib.sha256(line.whole.encode()).hexdigest()[:16]
