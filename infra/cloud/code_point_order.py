"""Names in order of code point, from a service that orders them by UTF-16 code unit."""

import heapq
import re
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

Item = TypeVar("Item")

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


async def in_code_point_order(
    items: AsyncIterator[Item], name: Callable[[Item], str]
) -> AsyncIterator[Item]:
    """The items, which come in order of UTF-16 unit or of code point, in order of code point.

    The two differ only where a character above U+FFFF meets one from U+E000: a name with the
    former waits until the names that share what stands before it are over, so only such names
    are ever held."""
    held: list[tuple[str, int, Item]] = []
    count = 0
    async for item in items:
        current = name(item)
        heapq.heappush(held, (current, count, item))
        count += 1
        while held and not _waits(held[0][0], current):
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]


def _waits(name: str, current: str) -> bool:
    """Whether a name that is still to come, from `current` on, may go before `name`."""
    astral = _ASTRAL.search(name)
    return astral is not None and current.startswith(name[: astral.start()])
