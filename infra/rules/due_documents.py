"""Reading what is due, past what only newer processes understand."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from domain.errors import NewerSchema
from domain.ports import Document

_MOST_LOOKED_AT = 10_000

_log = logging.getLogger(__name__)

Row = TypeVar("Row")


async def understood(
    earliest: Callable[[int], Awaitable[Sequence[Row]]],
    opened: Callable[[Row], Document],
    limit: int,
) -> Sequence[Document]:
    """The first `limit` documents that `opened` does not refuse with NewerSchema: those that it
    does are due again and again, and take nobody's place. `earliest` gives the first so many."""
    asked = limit
    while True:
        rows = await earliest(asked)
        documents: list[Document] = []
        refusal: NewerSchema | None = None
        for row in rows:
            try:
                documents.append(opened(row))
            except NewerSchema as error:
                refusal = error
        if len(documents) >= limit or len(rows) < asked or asked >= _MOST_LOOKED_AT:
            break
        asked = min(asked * 4, _MOST_LOOKED_AT)
    if refusal is not None:
        left = len(rows) - len(documents)
        _log.warning("%d due documents are left to newer processes. %s", left, refusal.message)
    return documents[:limit]
