"""What an engine was told to take away, and has not: it is asked again, later each time."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

_log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
LASTING: Final = 5
"""Refusals in a row, which come within some 8 s."""


@dataclass(frozen=True)
class _Refused:
    times: int
    due_at: float
    reason: str


class Refusals:
    """By what each is of: a container's id, or a name. `now` is in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused: dict[str, _Refused] = {}

    def __contains__(self, what: str) -> bool:
        return what in self._refused

    def is_due(self, what: str) -> bool:
        """Whether the engine is to be asked, for the first time or again."""
        refused = self._refused.get(what)
        return refused is None or refused.due_at <= self._now()

    def is_lasting(self, what: str) -> bool:
        """Whether nobody should wait for it any more."""
        refused = self._refused.get(what)
        return refused is not None and refused.times >= LASTING

    def note(self, what: str, group: str, reason: str) -> None:
        """Of one that lasts, and of another reason for it, the log tells."""
        before = self._refused.get(what)
        times = before.times + 1 if before is not None else 1
        pause = min(_FIRST_PAUSE * 2 ** min(times - 1, 10), _LONGEST_PAUSE)
        self._refused[what] = _Refused(times, self._now() + pause, reason)
        if times == LASTING or (times > LASTING and before and before.reason != reason):
            text = "The container engine does not remove what is left of %s, and is asked again: %s"
            _log.warning(text, group, reason)

    def settle(self, what: str) -> None:
        """It is gone."""
        if self.is_lasting(what):
            _log.info("The container engine has removed at last what it would not: %s", what)
        self._refused.pop(what, None)

    def settle_all_but(self, there: Collection[str]) -> None:
        for what in [what for what in self._refused if what not in there]:
            self.settle(what)
