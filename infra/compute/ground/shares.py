"""How many worker processes each of several claims gets of what there is: of processes, memory
and cores alike.

Every claim gets one before any gets a second, and then each as many as the jobs behind it
weigh. Where there are more claims than processes, they take turns: whoever has had its slice
gives way to whoever has waited longest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.compute.ground.room import Portion


@dataclass(frozen=True)
class Claim:
    """`asked` processes of `cluster` for `jobs` jobs; it has `held` now. `since`: when its
    first process was ready, or it began to wait for one. Times in seconds of one clock. `first`
    is what the first one counts for, and `each` what every other does."""

    key: str
    cluster: str
    asked: int
    jobs: int
    held: int
    since: float
    first: Portion
    each: Portion


def shares(
    claims: Sequence[Claim],
    room: Portion,
    cluster_limits: Mapping[str, int],
    *,
    now: float,
    slice_seconds: float,
) -> dict[str, int]:
    """How many processes each claim should have: never more than it asked for, all together at
    most `room`, those of a cluster at most its limit."""
    left = dict(cluster_limits)
    given = {claim.key: 0 for claim in claims}

    def give(claim: Claim) -> bool:
        nonlocal room
        one = claim.each if given[claim.key] else claim.first
        if left[claim.cluster] <= 0 or given[claim.key] >= claim.asked or not room.holds(one):
            return False
        room -= one
        left[claim.cluster] -= 1
        given[claim.key] += 1
        return True

    def turn(claim: Claim) -> tuple[int, float]:
        in_slice = claim.held > 0 and now - claim.since < slice_seconds
        return (0 if in_slice else 1 if not claim.held else 2, claim.since)

    growing = [claim for claim in sorted(claims, key=turn) if give(claim)]
    while growing:
        # Of equals, who holds more already: nobody is started in vain.
        claim = min(growing, key=lambda c: (given[c.key] / c.jobs, given[c.key] - c.held))
        if not give(claim):
            growing.remove(claim)
    return given
