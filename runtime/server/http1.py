"""HTTP/1.1 as bytes: request heads, chunked bodies, reply heads. No I/O."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from .. import __version__

MAX_HEAD = 64 * 1024
_MAX_CHUNK_LINE = 4096
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_KNOWN_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "PATCH"})
_names: dict[str, str] = {}
"""Header names already checked, to their lower case; never more than _MAX_NAMES."""
_MAX_NAMES = 512

SERVER_VERSION = f"ml-endpoints/{__version__}"
_CLOSING = "connection: close\r\n\r\n"
_KEEPING = "\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Refused(Exception):
    """The bytes are not a request this server takes; `status` and `message` say why, `headers`
    are ready text."""

    def __init__(self, status: int, message: str, headers: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class Head:
    """A request's head. `headers` has lower-case names; repeated ones are joined by `, `.
    `length` is None for a chunked body. `mark` is ready text that goes with every answer."""

    __slots__ = (
        "expects_continue",
        "headers",
        "http11",
        "keep_alive",
        "length",
        "mark",
        "method",
        "target",
    )

    def __init__(self, raw: bytes) -> None:
        text = raw.decode("latin-1")
        lines = text.split("\r\n")
        breaks = len(lines) - 1
        if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
            raise Refused(400, "The request's head has a stray CR, LF or NUL.")
        try:
            self.method, self.target, version = lines[0].split(" ")
        except ValueError:
            raise Refused(400, "The request line is not `METHOD target HTTP/1.1`.") from None
        if version == "HTTP/1.1":
            self.http11 = True
        elif version == "HTTP/1.0":
            self.http11 = False
        elif version.startswith("HTTP/"):
            raise Refused(505, "This server speaks HTTP/1.1.")
        else:
            raise Refused(400, "The request line is not `METHOD target HTTP/1.1`.")
        if not self.target or not (self.method in _KNOWN_METHODS or _is_token(self.method)):
            raise Refused(400, "The request line is not `METHOD target HTTP/1.1`.")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            known = _names.get(name) or _header_name(name)
            if not colon:
                raise Refused(400, "A header line is not `Name: value`.")
            if known in headers:
                headers[known] = f"{headers[known]}, {value.strip()}"
            else:
                headers[known] = value.strip()
        self.headers = headers
        self.mark = ""
        self._frame(headers)

    def _frame(self, headers: dict[str, str]) -> None:
        """Where the body ends. What two servers could read differently is refused: it is
        how requests are smuggled."""
        self.length: int | None = 0
        if "transfer-encoding" in headers:
            if "content-length" in headers:
                raise Refused(400, "Both Content-Length and Transfer-Encoding were given.")
            if headers["transfer-encoding"].lower() != "chunked" or not self.http11:
                raise Refused(400, "The only Transfer-Encoding taken is chunked, in HTTP/1.1.")
            self.length = None
        elif "content-length" in headers:
            digits = headers["content-length"]
            if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
                raise Refused(400, "Content-Length is not one whole number.")
            self.length = int(digits)
        connection = headers.get("connection")
        self.keep_alive = self.http11
        if connection is not None and "close" in connection.lower():
            self.keep_alive = False
        expect = headers.get("expect")
        if expect is not None and expect.lower() != "100-continue":
            raise Refused(417, "The only expectation met is 100-continue.")
        self.expects_continue = expect is not None and self.http11


def _is_token(text: str) -> bool:
    return bool(text) and _TOKEN.issuperset(text)


def _header_name(name: str) -> str:
    if not _is_token(name):
        raise Refused(400, "A header line is not `Name: value`.")
    lower = name.lower()
    if len(_names) < _MAX_NAMES:
        _names[name] = lower
    return lower


class ChunkedBody:
    """Takes a chunked body apart as it arrives."""

    __slots__ = ("_left", "_limit", "_state", "_trailer", "body")

    _SIZE: ClassVar[int] = 0
    _DATA: ClassVar[int] = 1
    _DATA_END: ClassVar[int] = 2
    _TRAILER: ClassVar[int] = 3

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        self._limit = limit
        self._state = self._SIZE
        self._left = 0
        self._trailer = 0

    def feed(self, buffer: bytearray) -> bool:
        """Consume what it can of `buffer`; True when the body is whole and what is left of
        `buffer` belongs to the next request."""
        while True:
            if self._state == self._DATA:
                if not self._take_data(buffer):
                    return False
                continue
            end = buffer.find(b"\r\n", 0, _MAX_CHUNK_LINE)
            if end < 0:
                if len(buffer) >= _MAX_CHUNK_LINE:
                    raise Refused(400, "A line of the chunked body is too long.")
                return False
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            if self._state == self._SIZE:
                self._start(line)
            elif self._state == self._DATA_END:
                if line:
                    raise Refused(400, "A chunk is longer than it says.")
                self._state = self._SIZE
            elif line:
                self._trailer += len(line)
                if self._trailer > MAX_HEAD:
                    raise Refused(431, "The trailer is larger than 64 KiB.")
            else:
                return True

    def _start(self, line: bytes) -> None:
        digits = line.split(b";", 1)[0].strip()
        try:
            if not digits or not digits.isalnum():
                raise ValueError
            self._left = int(digits, 16)
        except ValueError:
            raise Refused(400, "A chunk's size is not a hexadecimal number.") from None
        if len(self.body) + self._left > self._limit:
            raise Refused(413, f"The body is larger than {self._limit} bytes.")
        self._state = self._DATA if self._left else self._TRAILER

    def _take_data(self, buffer: bytearray) -> bool:
        if not buffer:
            return False
        piece = buffer[: self._left]
        self.body += piece
        del buffer[: len(piece)]
        self._left -= len(piece)
        if not self._left:
            self._state = self._DATA_END
        return True


def reply(
    status: int, headers: str, body: bytes, *, close: bool = False, head_only: bool = False
) -> bytes:
    """A whole reply. `headers` is ready text: `name: value\\r\\n` as often as needed."""
    length = "" if status in (204, 304) else f"content-length: {len(body)}\r\n"
    head = _head(status, f"{length}{headers}", close)
    return head if head_only or not length else head + body


def stream_head(status: int, headers: str, *, chunked: bool, close: bool) -> bytes:
    """The head of a reply whose length is not known yet."""
    framing = "transfer-encoding: chunked\r\n" if chunked else ""
    return _head(status, f"{framing}{headers}", close)


def _head(status: int, headers: str, close: bool) -> bytes:
    return (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"
        f"x-ms-server-version: {SERVER_VERSION}\r\n{headers}"
        f"{_CLOSING if close else _KEEPING}"
    ).encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
