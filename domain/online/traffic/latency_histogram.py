"""Latencies as counts in fixed bands, so that what several gateways saw adds up.

A band is 2**(1/8) wide, 9 % from edge to edge; a quantile is off by less than that.
"""

import math
from collections.abc import Mapping

_PER_DOUBLING = 8
_SMALLEST = 1e-5
"""Seconds; anything faster counts as this."""


def band(seconds: float) -> str:
    """The name of the band that `seconds` falls into."""
    return str(int(math.log2(max(seconds, _SMALLEST) / _SMALLEST) * _PER_DOUBLING))


def quantile(bands: Mapping[str, float], share: float) -> float | None:
    """Seconds that `share` (0 to 1) of the latencies do not exceed; None without any."""
    total = sum(bands.values())
    if not total:
        return None
    wanted = share * total
    seen, index = 0.0, 0
    for index in sorted(map(int, bands)):
        count = bands[str(index)]
        if seen + count >= wanted:
            within = (wanted - seen) / count if count else 1.0
            return _edge(index + within)
        seen += count
    # Sums of parts may fall short of the sum of all by the last of their digits.
    return _edge(index + 1.0)


def _edge(index: float) -> float:
    return float(_SMALLEST * 2 ** (index / _PER_DOUBLING))
