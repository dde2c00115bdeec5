"""Rows of CSV with their columns put into another order, as a stream.

Fields are moved as they are written, quotes and all: nothing of their text is read anew.
"""

import codecs
from collections.abc import AsyncIterator, Iterator, Sequence

PIECE = 4 * 1024 * 1024


async def aligned(
    content: AsyncIterator[bytes], order: Sequence[int], *, piece: int = PIECE
) -> AsyncIterator[bytes]:
    """The rows of `content`, each with the columns `order` names, in pieces of about
    `piece` bytes. Holds one piece and one row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest, rows, size = "", list[str](), 0
    async for some in content:
        whole, rest = split_rows(rest + decoder.decode(some))
        for line in _joined(whole.removesuffix("\n").split("\n"), "\n") if whole else ():
            fields = list(_joined(line.split(","), ","))
            rows.append(",".join(fields[i] for i in order) + "\n")
            size += len(rows[-1])
            if size >= piece:
                yield "".join(rows).encode()
                rows, size = [], 0
    if rest or decoder.decode(b"", final=True):
        raise ValueError("the rows end within a row")
    if rows:
        yield "".join(rows).encode()


def split_rows(text: str) -> tuple[str, str]:
    """The whole rows that `text` begins with, and the rest. A newline inside quotes ends no
    row; a quote inside a quoted field is doubled, so that parity tells."""
    at = len(text)
    quotes = text.count('"')
    while True:
        at = text.rfind("\n", 0, at)
        if at < 0:
            return "", text
        if (quotes - text.count('"', at)) % 2 == 0:
            return text[: at + 1], text[at + 1 :]


def _joined(parts: Sequence[str], separator: str) -> Iterator[str]:
    """`parts` of a text split at `separator`, those put together again that were one in
    quotes."""
    held: list[str] = []
    is_open = False
    for part in parts:
        held.append(part)
        is_open ^= part.count('"') % 2 == 1
        if not is_open:
            yield held[0] if len(held) == 1 else separator.join(held)
            held = []
