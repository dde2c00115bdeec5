"""Latencies as counts in fixed bands, so that what several gateways saw in several minutes adds
up, and a percentile of all is right to within a band: at most a tenth from edge to edge.

The bounds that Prometheus is told of are among those of the bands.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

COARSE = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 180000)
"""Upper bounds in milliseconds, as Prometheus sees latencies."""
COARSE_LONG = (*COARSE, 600000, 1800000, 3600000, 14400000)
"""Those of streams, which may take as long as they need."""

_WIDEST = 1.1
_FASTEST = 0.05


def _finer(edges: Sequence[float]) -> tuple[float, ...]:
    bounds = [edges[0]]
    for low, high in pairwise(edges):
        parts = math.ceil(math.log(high / low) / math.log(_WIDEST))
        bounds += [low * (high / low) ** (part / parts) for part in range(1, parts)]
        bounds.append(high)
    return tuple(bounds)


BOUNDS = _finer((_FASTEST, *COARSE_LONG))
"""Upper bounds of the bands, in milliseconds; the last band has none. Stored figures name a band
by its place here: no bound may ever be changed, and more only be added at the end."""


def band(milliseconds: float) -> int:
    return bisect_left(BOUNDS, milliseconds)


def up_to(bands: Mapping[int, int], bounds: Sequence[float]) -> list[int]:
    """How many did not exceed each of `bounds`, which are of BOUNDS, and how many there are."""
    found, total, left = [], 0, sorted(bands.items(), reverse=True)
    for last in map(band, bounds):
        while left and left[-1][0] <= last:
            total += left.pop()[1]
        found.append(total)
    return [*found, total + sum(number for _, number in left)]


def quantile(bands: Mapping[int, int], share: float) -> float | None:
    """Milliseconds that `share` (0 to 1) of the latencies do not exceed; None without any."""
    total = sum(bands.values())
    if not total:
        return None
    wanted, seen = share * total, 0
    place = 0
    for place in sorted(bands):
        count = bands[place]
        if count and seen + count >= wanted:
            low = BOUNDS[place - 1] if place else 0.0
            high = BOUNDS[min(place, len(BOUNDS) - 1)]
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return BOUNDS[min(place, len(BOUNDS) - 1)]
