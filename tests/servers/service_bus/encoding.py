"""As much of AMQP 1.0's encoding as the engine hides: frames as they come off the wire, with
the message-format of each transfer, and the sections of an encoded message.

Values are skipped by their constructor's first digit, which tells their width.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

BATCH_FORMAT = 0x80013700

_FIXED_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_DESCRIBED = 0x00
_BINARY = (0xA0, 0xB0)
_ATTACH, _TRANSFER = 0x12, 0x14
_HEADER_BYTES = 8
_LARGEST_FRAME = 2**20


class WireError(Exception):
    """What came is not AMQP 1.0."""


@dataclass(frozen=True)
class Value:
    """One encoded value: its constructor, and where its content stands."""

    constructor: int
    content: bytes
    end: int

    def number(self) -> int:
        return int.from_bytes(self.content, "big")

    def is_true(self) -> bool:
        return self.constructor == 0x41 or self.content == b"\x01"


def read(data: bytes, at: int) -> Value:
    """The value that begins at `at`; of a described one, what its descriptor describes."""
    try:
        constructor = data[at]
        if constructor == _DESCRIBED:
            return read(data, read(data, at + 1).end)
        at += 1
        kind = constructor >> 4
        if kind in _FIXED_WIDTHS:
            width = _FIXED_WIDTHS[kind]
        else:
            length = 1 if kind % 2 == 0 else 4
            width = int.from_bytes(data[at : at + length], "big")
            at += length
    except (IndexError, RecursionError):
        raise WireError("a value is cut short") from None
    if kind < 0x4 or at + width > len(data):
        raise WireError("a value is cut short")
    return Value(constructor, data[at : at + width], at + width)


def fields(data: bytes, at: int, count: int) -> list[Value]:
    """The first `count` fields of the list at `at`, or as many as it has."""
    whole = read(data, at)
    skip = {0x45: 0, 0xC0: 1, 0xD0: 4}.get(whole.constructor)
    if skip is None:
        raise WireError("not a list")
    content, at = whole.content, skip
    found: list[Value] = []
    while at < len(content) and len(found) < count:
        value = read(content, at)
        found.append(value)
        at = value.end
    return found


@dataclass(frozen=True)
class Section:
    """One section of a message: its descriptor's code and its bytes, descriptor included."""

    code: int
    encoded: bytes
    value: Value


def sections(message: bytes) -> Iterator[Section]:
    at = 0
    while at < len(message):
        if message[at] != _DESCRIBED:
            raise WireError("a section has no descriptor")
        descriptor = read(message, at + 1)
        value = read(message, at)
        yield Section(descriptor.number(), message[at : value.end], value)
        at = value.end


def batched(message: bytes) -> list[bytes]:
    """The messages of a batch: each data section is one."""
    return [s.value.content for s in sections(message) if s.value.constructor in _BINARY]


@dataclass
class Frames:
    """Cuts the stream into frames, and notes the message-format of every transfer by the
    name of its link: the engine keeps none."""

    _buffer: bytearray = field(default_factory=bytearray)
    _names: dict[tuple[int, int], str] = field(default_factory=dict)
    _unfinished: set[tuple[int, int]] = field(default_factory=set)
    _formats: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        while len(self._buffer) >= _HEADER_BYTES:
            if self._buffer.startswith(b"AMQP"):
                size = _HEADER_BYTES
            else:
                size = int.from_bytes(self._buffer[:4], "big")
                if not _HEADER_BYTES <= size <= _LARGEST_FRAME:
                    raise WireError("a frame is smaller than its own header, or huge")
            if len(self._buffer) < size:
                return
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            if frame[:4] != b"AMQP" and frame[5] == 0:
                self._note(frame)
            yield frame

    def message_format(self, link: str) -> int:
        """Of the next delivery that is complete on a link."""
        return self._formats[link].popleft()

    def _note(self, frame: bytes) -> None:
        body, channel = frame[4] * 4, int.from_bytes(frame[6:8], "big")
        if body >= len(frame):
            return
        performative = read(frame, body + 1).number()
        if performative == _ATTACH:
            name, handle, role = fields(frame, body, 3)
            if not role.is_true():
                # The client sends here. Links of both directions may share a name.
                self._names[channel, handle.number()] = name.content.decode()
        elif performative == _TRANSFER:
            handle, *rest = fields(frame, body, 6)
            link = channel, handle.number()
            # A delivery's further transfers may say its format again.
            if link not in self._unfinished:
                message_format = rest[2].number() if len(rest) > 2 else 0
                self._formats[self._names.get(link, "")].append(message_format)
            more = len(rest) > 4 and rest[4].is_true()
            (self._unfinished.add if more else self._unfinished.discard)(link)
