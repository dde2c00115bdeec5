"""What runs of deployments and jobs, and for how long, as whoever runs it sees it."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Life:
    """One life of an instance or of workers: what takes its place is another. `id` names it, and
    stays what it is whichever host tells of it. `key` is the workload that it was started for
    or last worked for, '' where none is known. `amount`: for how many instances (of online
    deployments) or workers (of jobs) it counts. `until` is None while it goes on (Unix seconds).
    `busy` says of workers for how many seconds, times `amount`, they have worked for which job;
    a job that it has not worked for since it was last read may be left out."""

    id: str
    key: str
    amount: float
    since: float
    until: float | None = None
    busy: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """Everything that runs `at` a time, and what has ended since a reading was last kept."""

    at: float
    lives: Sequence[Life]


class RunningMeter(Protocol):
    """`is_shared`: hosts have the same instances, and one of them at a time tells of all. Else each
    has its own, which end with it."""

    is_shared: bool

    @abstractmethod
    def tell(self, changed: Callable[[], None], ended: Callable[[], Awaitable[None]]) -> None:
        """Have `changed` called when something begins to run or ends, and `ended` once everything
        has, before what runs it is closed."""

    @property
    @abstractmethod
    def has_any(self) -> bool:
        """Whether anything runs, or has ended that is not known to be kept."""

    @abstractmethod
    def read(self) -> Reading | None:
        """None: another host tells, or none can now."""

    @abstractmethod
    def kept(self, reading: Reading) -> None:
        """What has ended in it need not be told again."""
