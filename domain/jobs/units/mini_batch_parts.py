"""A mini-batch without its bad files: the stretches between them, which a worker runs and tells
of as mini-batches, so that it is known where in the rows those of a bad file would stand."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from domain.ports import MiniBatchResult, UnitOutcome, UnitRequest

_MOST_MINI_BATCHES = 1_000_000_000

Lengths = Mapping[int, tuple[int, ...]]
"""By mini-batch: the bytes of each of its stretches' rows, in order."""


def part_ordinal(mini_batch: int, part: int) -> int:
    """What a worker is told as the ordinal of the `part`th stretch; the first has the
    mini-batch's own."""
    return mini_batch + part * _MOST_MINI_BATCHES


def mini_batch_of(part: int) -> int:
    """Of what a worker was told, or tells, as an ordinal."""
    return part % _MOST_MINI_BATCHES


def stretches(indexes: Iterable[int]) -> list[list[int]]:
    """Ascending numbers, those together that follow on each other."""
    found: list[list[int]] = []
    for index in indexes:
        if found and found[-1][-1] == index - 1:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def together(request: UnitRequest, outcome: UnitOutcome) -> tuple[UnitOutcome, Lengths]:
    """With one result for each mini-batch all of whose stretches have ended; it has failed where
    one of them has."""
    told: dict[int, list[MiniBatchResult]] = {}
    for result in outcome.results:
        told.setdefault(mini_batch_of(result.ordinal), []).append(result)
    asked = Counter(mini_batch_of(each.ordinal) for each in request.mini_batches)
    ended = {ordinal: parts for ordinal, parts in told.items() if len(parts) >= asked[ordinal]}
    at = outcome.lost_ordinal
    merged = replace(
        outcome,
        results=tuple(_merged(ordinal, parts) for ordinal, parts in ended.items()),
        lost_ordinal=None if at is None else mini_batch_of(at),
    )
    return merged, {ordinal: tuple(p.length for p in parts) for ordinal, parts in ended.items()}


def _merged(ordinal: int, parts: Sequence[MiniBatchResult]) -> MiniBatchResult:
    if len(parts) == 1:
        return parts[0]
    failed = next((part for part in parts if not part.succeeded), None)
    return MiniBatchResult(
        ordinal,
        succeeded=failed is None,
        returned=sum(part.returned for part in parts),
        tries=max(part.tries for part in parts),
        seconds=sum(part.seconds for part in parts),
        error=failed.error if failed else None,
        log_excerpt=failed.log_excerpt if failed else None,
        length=sum(part.length for part in parts),
    )
