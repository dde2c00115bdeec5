"""Answers that come piece by piece: what their items are written as, and how they end.

Nothing goes out before the first byte is there, so that an early failure is still an answer
of its own. After it the answer is whole, or its connection breaks off: then the log says of
which request, after how many bytes, and why.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

from ..coroutines import END, Items, finish
from ..script import describe, user_traceback
from ..server.exchange import STALL_LIMIT, Request, Stream, at_once
from ..server.json_text import written
from ..server.notes import note
from .responses import UnsendableResult

LONGEST = "ML_ENDPOINTS_MAX_STREAM_SECONDS"
_USUAL = 3600
_MOST = 7 * 86400

TEXT = "text/plain; charset=utf-8"
EVENTS = "text/event-stream"
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_BYTES = (bytes, bytearray, memoryview)

_CANCELLED = (CancelledError, asyncio.CancelledError)

Encode = Callable[[Any], bytes]


class BadLimit(ValueError):
    """The environment variable is no such limit."""


def longest() -> int:
    """For how many seconds an answer may stream. Raises BadLimit."""
    text = os.environ.get(LONGEST, "").strip() or str(_USUAL)
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise BadLimit(
            f"{LONGEST} is {text!r}; it must be a whole number of seconds from 1 to {_MOST}"
        )
    return int(text)


def streams(result: Any) -> bool:
    """Whether `result` gives its parts one by one: a generator, or any iterator, async or
    not. No value that JSON knows does."""
    return any(hasattr(result, name) for name in ("__next__", "__anext__", "__aiter__"))


class Pieces(Iterator[bytes]):
    """What an iterable, async or not, gives, item by item as it is written: bytes and text as
    they are; any other value as an event or a line of JSON, where `kind`, the content type, has
    such. Without a `kind` the first item says what all are: bytes, text, or JSON, a line each.

    Raises what the items raise, and UnsendableResult. It is to be closed; `close` is called
    then, after what the items have of their own."""

    def __init__(
        self, source: Any, kind: str = "", close: Callable[[], object] | None = None
    ) -> None:
        self._items = _items(source)
        self._close = close
        self._encode: Encode | None = _encode_of(kind) if kind else None
        self.kind = kind

    def __next__(self) -> bytes:
        return self._written(next(self._items))

    @property
    def on_loop(self) -> bool:
        """Whether the items come by the scripts' loop."""
        return isinstance(self._items, Items)

    async def following(self) -> bytes | None:
        """The next, asked for on the scripts' loop if the items come by it; None after the
        last."""
        if isinstance(self._items, Items):
            item = await self._items.fetch()
            return None if item is END else self._written(item)
        return next(self, None)

    def _written(self, item: Any) -> bytes:
        if self._encode is None:
            self.kind, self._encode = _by_first(item)
        try:
            return self._encode(item)
        except (TypeError, ValueError, RecursionError) as error:
            raise UnsendableResult(
                f"An item of run()'s stream, of type {type(item).__name__}, cannot be sent: {error}"
            ) from None

    def interrupt(self) -> None:
        """From any thread: end the wait for an item, where it can be ended."""
        if isinstance(self._items, Items):
            self._items.interrupt()

    def close(self) -> None:
        """Raises what the script raises."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
        if self._close is not None:
            self._close()


def _by_first(item: Any) -> tuple[str, Encode]:
    if isinstance(item, _BYTES):
        return "application/octet-stream", _plain
    if isinstance(item, str):
        return TEXT, _plain
    return "application/x-ndjson", _line


def _encode_of(kind: str) -> Encode:
    media = kind.partition(";")[0].strip().lower()
    other = _event if media == EVENTS else _line if media in _LINES else _plain
    return lambda item: (_plain if isinstance(item, (str, *_BYTES)) else other)(item)


def _items(source: Any) -> Iterator[Any]:
    if hasattr(source, "__aiter__"):
        return Items(source.__aiter__())
    try:
        return iter(source)
    except TypeError:
        raise UnsendableResult(
            f"run() returned a response whose body is of type {type(source).__name__}"
        ) from None


def _plain(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, _BYTES):
        return bytes(item)
    raise TypeError("text or bytes are what this stream is of")


def _line(item: Any) -> bytes:
    return written(item).body + b"\n"


def _event(item: Any) -> bytes:
    return b"data: " + written(item).body + b"\n\n"


def send(
    request: Request, status: int, headers: Callable[[], str], pieces: Pieces, limit: int
) -> None:
    """Send what `pieces` gives, for at most `limit` seconds, and close it. `headers` is called
    when the first byte is there; what is raised before that is raised here, and nothing after."""
    request.interrupt = pieces.interrupt
    try:
        if request.abandoned:
            return
        first = next(filter(None, pieces), b"")
        stream = request.stream(status, headers())
        # Items that come by the loop go out by it: no thread has its turn for each.
        if pieces.on_loop:
            end = finish(_pass_on(request, stream.write_on_loop, first, pieces, limit))
        else:
            end = at_once(_pass_on(request, stream.write_here, first, pieces, limit))
        _end(request, stream, end)
    except CancelledError:
        if not request.abandoned:
            raise
    finally:
        request.interrupt = None
        try:
            pieces.close()
        except BaseException as error:  # a script's `finally` may raise anything
            note(request, f"closing its stream raised {describe(error)}", user_traceback(error))


class _Broken(NamedTuple):
    """Why a stream broke off."""

    why: str
    trace: str = ""


_WHOLE = _Broken("")


async def _pass_on(
    request: Request,
    write: Callable[[bytes], Awaitable[bool]],
    first: bytes,
    pieces: Pieces,
    limit: int,
) -> _Broken | None:
    """_WHOLE once all is written; None if it is not taken."""
    request.ends = time.perf_counter() + limit
    try:
        taken = not first or await write(first)
        while taken:
            piece = await pieces.following()
            if piece is None:
                return _WHOLE
            if time.perf_counter() > request.ends:
                return _Broken(f"it took longer than {limit} s ({LONGEST})")
            taken = await write(piece)
    except UnsendableResult as error:
        return _Broken(str(error))
    except BaseException as error:  # the script's generator may raise anything
        if not (request.abandoned and isinstance(error, _CANCELLED)):
            return _Broken(describe(error), user_traceback(error))
    return None


def _end(request: Request, stream: Stream, end: _Broken | None) -> None:
    """In the worker: its place is free before the answer's end is there."""
    if end is _WHOLE:
        stream.end()
    elif end is not None:
        _broken_off(request, stream, *end)
    elif request.gone:
        note(request, f"its caller left after {stream.sent} bytes of the answer")
    elif stream.stalled:
        note(request, f"its caller took nothing of the answer for {STALL_LIMIT:g} s")


def _broken_off(request: Request, stream: Stream, why: str, trace: str = "") -> None:
    # Counted before the caller can see it.
    request.failed = True
    request.leave()
    request.cut()
    note(request, f"the answer broke off after {stream.sent} bytes: {why}", trace)
