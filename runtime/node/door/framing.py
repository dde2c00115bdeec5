"""Where a message's body ends, while it is passed on piece by piece."""

from __future__ import annotations

from typing import NamedTuple

from ...server.http1 import ChunkedBody

UNBOUNDED = 1 << 62


class Broken(Exception):
    """What a process says is not HTTP/1.1."""


class Body:
    """`length` is None for a chunked one."""

    __slots__ = ("_chunks", "_held", "_left", "ended")

    def __init__(self, length: int | None) -> None:
        self._chunks = ChunkedBody(UNBOUNDED) if length is None else None
        self._held = bytearray()
        self._left = length or 0
        self.ended = length == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """What of `data` is content, and what follows the body. Raises Refused for bad chunks."""
        if self._chunks is not None:
            return self._take_chunks(self._chunks, data)
        if len(data) < self._left:
            self._left -= len(data)
            return data, b""
        piece, rest = data[: self._left], data[self._left :]
        self._left = 0
        self.ended = True
        return piece, rest

    def _take_chunks(self, chunks: ChunkedBody, data: bytes) -> tuple[bytes, bytes]:
        self._held += data
        self.ended = chunks.feed(self._held)
        piece = bytes(chunks.body)
        chunks.body.clear()
        return piece, bytes(self._held) if self.ended else b""


class AnswerHead(NamedTuple):
    """`lines` are the headers but for framing ones of the connection; `length` as Body's. The body
    of one `until_close` has no other end: it is to be passed on as chunks."""

    status_line: bytes
    status: int
    lines: list[bytes]
    length: int | None
    keep_alive: bool
    until_close: bool


def parse_answer(raw: bytes, *, without_body: bool) -> AnswerHead:
    """Raises Broken."""
    first, *lines = raw.split(b"\r\n")
    if not first.startswith(b"HTTP/1.") or not first[9:12].isdigit():
        raise Broken(f"it answers {first[:80]!r}")
    status = int(first[9:12])
    kept: list[bytes] = []
    length: int | None = 0
    framed = False
    keep_alive = first.startswith(b"HTTP/1.1")
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise Broken(f"it has the header {line[:80]!r}")
        name = name.lower()
        if name == b"connection":
            keep_alive = keep_alive and b"close" not in value.lower()
            continue
        if name.startswith(b"ml-endpoints-node"):
            continue
        if name == b"content-length":
            length, framed = _length(value), True
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise Broken(f"its transfer-encoding is {value[:40]!r}")
            length, framed = None, True
        kept.append(line)
    until_close = False
    if without_body or status in (204, 304) or status < 200:
        length = 0
    elif not framed:
        length, keep_alive, until_close = None, False, True
        kept.append(b"transfer-encoding: chunked")
    return AnswerHead(b"HTTP/1.1" + first[8:], status, kept, length, keep_alive, until_close)


def _length(value: bytes) -> int:
    digits = value.strip()
    if not digits.isdigit() or len(digits) > 18:
        raise Broken(f"its content-length is {value[:40]!r}")
    return int(digits)
