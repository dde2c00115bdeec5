"""Rows of CSV with their columns put into another order, as a stream."""

import codecs
import csv
import io
from collections.abc import AsyncIterator, Sequence

from domain.result_rows import row

PIECE = 4 * 1024 * 1024


async def aligned(
    content: AsyncIterator[bytes], order: Sequence[int], *, piece: int = PIECE
) -> AsyncIterator[bytes]:
    """The rows of `content`, each with the columns `order` names, in pieces of about
    `piece` bytes. Holds one piece and one row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest = ""
    out = io.StringIO()
    async for some in content:
        whole, rest = split_rows(rest + decoder.decode(some))
        for values in csv.reader(io.StringIO(whole, newline="")):
            out.write(row([values[i] for i in order]))
            if out.tell() >= piece:
                yield out.getvalue().encode()
                out = io.StringIO()
    for values in csv.reader(io.StringIO(rest + decoder.decode(b"", final=True), newline="")):
        out.write(row([values[i] for i in order]))
    if out.tell():
        yield out.getvalue().encode()


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
