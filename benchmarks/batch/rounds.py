"""The ways measured in turn, round after round, so that a change of the machine's mood meets
all of them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from benchmarks.batch.inputs import ROWS
from benchmarks.batch.measured import Measured, Void
from benchmarks.peer_environments import Unavailable


class Way(Protocol):
    @property
    def name(self) -> str: ...
    def prepare(self) -> None: ...
    def measure(self, model: Path, files: Path, reader: str) -> Measured: ...


@dataclass
class Figures:
    """Of one way; medians over the rounds. `missing` says why there are none."""

    name: str
    missing: str = ""
    rounds: list[Measured] = field(default_factory=list)

    @property
    def steady(self) -> float:
        return median(each.steady for each in self.rounds)

    @property
    def whole(self) -> float:
        return median(each.whole for each in self.rounds)

    @property
    def megabytes(self) -> float:
        return median(each.memory for each in self.rounds) / 2**20

    def more(self) -> dict[str, float]:
        """The way's further figures."""
        return {name: median(r.more[name] for r in self.rounds) for name in self.rounds[0].more}


def measure(
    ways: Sequence[Way], model: Path, files: Path, reader: str, *, rounds: int
) -> list[Figures]:
    """One way runs at a time. Raises Void as soon as one has not given the same predictions,
    in the order of the files and with the same packages, as the first."""
    found = [Figures(way.name) for way in ways]
    for way, figures in zip(ways, found, strict=True):
        try:
            way.prepare()
        except Unavailable as error:
            figures.missing = str(error)
            say(f"{way.name}: {error}")
    expected: Measured | None = None
    count = sum(1 for _ in files.iterdir()) * ROWS
    for number in range(rounds):
        for way, figures in zip(ways, found, strict=True):
            if figures.missing:
                continue
            say(f"{way.name}, round {number + 1} of {rounds}", end="")
            got = way.measure(model, files, reader)
            say(f": {got.steady:.2f} s steady, {got.whole:.2f} s whole")
            expected = expected or got
            _check(way.name, got, expected, count)
            figures.rounds.append(got)
    return found


def _check(name: str, got: Measured, expected: Measured, count: int) -> None:
    if got.predictions != count:
        raise Void(f"{name} gave {got.predictions:,} predictions of {count:,}")
    if got.digest != expected.digest:
        raise Void(f"{name} gave other predictions than the first way")
    if got.in_order != expected.in_order:
        raise Void(f"{name} gave its predictions in another order")
    if got.versions != expected.versions:
        raise Void(f"{name} ran with {got.versions}, the first way with {expected.versions}")


def say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()
