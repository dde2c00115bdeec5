"""What may befall a host's calls, and how often: chosen by the seed, a mix of its own for each."""

import random
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """Of one call of a port."""

    REFUSED = "refused"
    """It fails, and has changed nothing."""
    THROTTLED = "throttled"
    ANSWER_LOST = "answer lost"
    """It is done, and fails all the same."""
    REPEATED = "answer lost, and done again"
    """The adapter has not heard, tries once more and meets itself."""
    ETAG_MOVED = "ETag moved"
    """Somebody writes what it is about as it is, just before."""
    ENDS_BEFORE = "host ends before it"
    ENDS_AFTER = "host ends after it"
    FROZEN = "host stands still"
    """For so long that leases and locks run out; then it goes on as if nothing were."""
    SLOW = "slow"


_RARE, _SOME, _MANY = 0.004, 0.02, 0.08


@dataclass
class Faults:
    """Of a seed: `left` are still to come; then all is calm."""

    rng: random.Random
    left: int
    rates: dict[Fault, float]
    late: float
    """The chance that a message comes late by up to a minute or two."""
    doubled: float
    """The chance that a message comes again while it is in hand."""
    timers: float
    """The chance that a timer comes at an odd time, or not at all."""
    calm: bool = False
    total: float = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.rates.values())

    @classmethod
    def by(cls, rng: random.Random) -> "Faults":
        kinds = [kind for kind in Fault if rng.random() < 0.5]
        rates = {kind: rng.choice((_RARE, _SOME, _MANY)) for kind in kinds}
        left = rng.randrange(0, 14)
        if rng.random() < 0.06:
            # A storm, in which messages use up their deliveries.
            left, rates = 60, {Fault.REFUSED: 0.3, Fault.THROTTLED: 0.1, Fault.ANSWER_LOST: 0.1}
        return cls(
            rng,
            left=left,
            rates=rates,
            late=rng.choice((0.0, 0.02, 0.15)),
            doubled=rng.choice((0.0, 0.03, 0.2)),
            timers=rng.choice((0.0, 0.2)),
        )

    def next(self) -> Fault | None:
        """What befalls the call that is made now."""
        if self.left <= 0 or self.calm:
            return None
        at = self.rng.random()
        if at >= self.total:
            return None
        self.left -= 1
        for kind, rate in self.rates.items():
            at -= rate
            if at < 0:
                return kind
        return None

    def strikes(self, rate: float) -> bool:
        """Whether something of this chance happens now, to a message or a timer."""
        if self.calm or self.left <= 0 or self.rng.random() >= rate:
            return False
        self.left -= 1
        return True
