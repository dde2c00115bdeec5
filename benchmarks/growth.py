"""How what was measured grows with its size."""

import math
from collections.abc import Sequence


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the least-squares line; 0 where all have one size."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    across = sum((x - mean_x) * (y - mean_y) for x, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return across / spread if spread else 0.0


def power(points: Sequence[tuple[float, float]]) -> float:
    """To which power of the size it grows: the slope of the logarithms' line."""
    return slope([(math.log(x), math.log(y)) for x, y in points])
