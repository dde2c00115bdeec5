"""Durations on the scoring path, held still."""

import pytest

from domain.scoring import online_scoring, scoring_bodies, scoring_exchange


class HeldTime:
    """What the scoring path takes for the time that requests and bodies take, once `hold_time`
    was called: it moves by hand alone."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def hold_time(monkeypatch: pytest.MonkeyPatch) -> HeldTime:
    held = HeldTime()
    for module in (online_scoring, scoring_bodies, scoring_exchange):
        monkeypatch.setattr(module, "perf_counter", held)
    return held
