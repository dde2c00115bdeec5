"""What one round of one way gave."""

from dataclasses import dataclass, field
from typing import Any


class Void(Exception):
    """The way did not do the work: nothing it measured counts."""


@dataclass(frozen=True)
class Measured:
    """Seconds. `steady` leaves start-up out, `whole` is all from the call on."""

    steady: float
    whole: float
    predictions: int
    digest: str
    in_order: str
    versions: dict[str, str]
    memory: int = 0
    """Bytes, the most of all its processes together."""
    more: dict[str, float] = field(default_factory=dict)
    """Further times of the way's own."""

    @classmethod
    def told(cls, result: dict[str, Any], called: float, memory: int) -> "Measured":
        """From the line a way wrote, which was `called` then."""
        return cls(
            steady=result["finished"] - result["started"],
            whole=result["finished"] - called,
            predictions=result["predictions"],
            digest=result["digest"],
            in_order=result["in_order"],
            versions=result["versions"],
            memory=memory,
        )
