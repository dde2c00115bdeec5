"""Figures over time: what was counted and measured, by step of time."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol


class Series(NamedTuple):
    """What is followed over time: a metric of `subject` (a path below the workspace, in lower
    case; '' for the workspace itself) with values of its dimensions, in the order that the metric
    has them in."""

    subject: str
    metric: str
    dimensions: tuple[str, ...] = ()


class Amounts:
    """What `count` values come to: their `total`, the `least` and the `most` of them, and of
    latencies how many fell into each band (domain/figures/latency_bands.py). It adds up, whoever
    saw what."""

    __slots__ = ("bands", "count", "least", "most", "total")

    def __init__(
        self,
        count: int = 0,
        total: float = 0.0,
        least: float = 0.0,
        most: float = 0.0,
        bands: dict[int, int] | None = None,
    ) -> None:
        self.count = count
        self.total = total
        self.least = least
        self.most = most
        self.bands = bands

    def add(self, other: "Amounts") -> None:
        if not other.count:
            return
        if self.count:
            self.least = min(self.least, other.least)
            self.most = max(self.most, other.most)
        else:
            self.least, self.most = other.least, other.most
        self.count += other.count
        self.total += other.total
        if other.bands:
            mine = self.bands
            if mine is None:
                self.bands = dict(other.bands)
                return
            for band, number in other.bands.items():
                mine[band] = mine.get(band, 0) + number

    def copy(self) -> "Amounts":
        bands = None if self.bands is None else dict(self.bands)
        return Amounts(self.count, self.total, self.least, self.most, bands)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amounts) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    def __hash__(self) -> int:
        return hash((self.count, self.total))

    def __repr__(self) -> str:
        told = (f"{name}={getattr(self, name)!r}" for name in ("count", "total", "least", "most"))
        return f"Amounts({', '.join(told)}, bands={self.bands!r})"


def counted(number: float) -> Amounts:
    """So many of something; how they came is not told apart."""
    return Amounts(1, float(number), float(number), float(number))


class Bucket(NamedTuple):
    """What a gateway has counted in the `step` seconds from `at` (Unix seconds, a multiple)."""

    step: int
    at: int
    series: Mapping[Series, Amounts]


@dataclass(frozen=True)
class FigureQuery:
    """Of `subject`, the series of `metrics`, in steps of `step` seconds that begin from `since`
    until before `until` (Unix seconds). `onlineendpoints/*` is every resource of the collection,
    without what is below them."""

    subject: str
    metrics: tuple[str, ...]
    step: int
    since: int
    until: int

    @property
    def below(self) -> str | None:
        """Where a collection is asked for, what all its subjects begin with."""
        return self.subject[:-1] if self.subject.endswith("/*") else None

    def takes(self, subject: str) -> bool:
        below = self.below
        if below is None:
            return subject == self.subject
        return subject.startswith(below) and "/" not in subject[len(below) :]


class Kept(NamedTuple):
    series: Series
    at: int
    gateway: str
    amounts: Amounts


class FigureStore(Protocol):
    """Figures of many gateways side by side: each has a bucket of its own for each step of time,
    which none but itself writes. What is older than its step is kept for goes by itself."""

    keeps: Mapping[int, timedelta]
    """How long buckets of each step are kept, by the step's seconds, finest first."""
    period: int
    """Seconds between two `put` that a gateway may afford, a multiple of the finest step."""

    @abstractmethod
    async def put(self, gateway: str, buckets: Sequence[Bucket]) -> None:
        """This is what the gateway has come to in each of these, whatever it said of them before:
        given again it stands once. `gateway` is 1 to 32 letters and digits."""

    @abstractmethod
    async def read(self, asked: FigureQuery) -> Sequence[Kept]:
        """What gateways have come to, in order of series, time and gateway. Nothing for a step
        that is not kept."""
