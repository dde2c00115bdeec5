"""Bodies that pass through piece by piece, watched on their way."""

from collections.abc import AsyncIterator, Callable
from time import perf_counter

from domain.scoring import scoring_refusals as refusals

SLOW_START = 30.0
"""Seconds that a body has before its speed counts."""
SLOWEST = 16 * 1024
"""Bytes a second, on average: who sends more slowly would hold a place for ever."""


async def close(body: AsyncIterator[bytes]) -> None:
    """Give up the rest of a body; what carries it is freed."""
    aclose = getattr(body, "aclose", None)
    if aclose is not None:
        await aclose()


class KeptBody(AsyncIterator[bytes]):
    """A body passed on unchanged, of which a copy is kept up to `limit` bytes. `whole` is
    that copy, once the body has ended; None before, and for a body that was larger."""

    __slots__ = ("_body", "_kept", "_limit", "too_large", "whole")

    def __init__(self, body: AsyncIterator[bytes], limit: int) -> None:
        self._body = body
        self._limit = limit
        self._kept = bytearray()
        self.too_large = False
        self.whole: bytes | None = None

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._body)
        except StopAsyncIteration:
            if not self.too_large:
                self.whole = bytes(self._kept)
            raise
        if not self.too_large:
            if len(self._kept) + len(piece) > self._limit:
                self.too_large = True
                self._kept.clear()
            else:
                self._kept += piece
        return piece

    async def aclose(self) -> None:
        await close(self._body)


class CountedBody(AsyncIterator[bytes]):
    """A request's body on its way to the instance. Raises `body_too_large` at the piece
    that exceeds `limit`, before any of that piece is passed on; `failed` keeps whatever
    ended it early, for a scorer that reports it in words of its own. `ended_at` is when
    (by perf_counter) it had been taken whole."""

    __slots__ = ("_began", "_limit", "_pieces", "begun", "ended_at", "failed", "passed")

    def __init__(self, pieces: AsyncIterator[bytes], limit: int) -> None:
        self._pieces = pieces
        self._limit = limit
        self._began = perf_counter()
        self.begun = False
        self.ended_at: float | None = None
        self.passed = 0
        self.failed: Exception | None = None

    async def __anext__(self) -> bytes:
        self.begun = True
        try:
            piece = await anext(self._pieces)
            self.passed += len(piece)
            if self.passed > self._limit:
                raise refusals.body_too_large(self._limit)
            if self.passed < (perf_counter() - self._began - SLOW_START) * SLOWEST:
                raise refusals.body_too_slow(SLOWEST)
        except StopAsyncIteration:
            self.ended_at = perf_counter()
            raise
        except Exception as error:  # kept, and raised on unchanged
            self.failed = error
            raise
        return piece


class StreamedAnswer(AsyncIterator[bytes]):
    """An answer's body on its way to the caller. `ended` is called once, with the bytes
    passed on and whether the caller left the rest; must be iterated to its end or closed."""

    __slots__ = ("_body", "_ended", "_passed")

    def __init__(self, body: AsyncIterator[bytes], ended: Callable[[int, bool], None]) -> None:
        self._body = body
        self._ended: Callable[[int, bool], None] | None = ended
        self._passed = 0

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._body)
        except Exception:  # the body's end, or the instance's
            self._end(gone=False)
            raise
        except BaseException:  # cancelled: nobody takes the rest
            await self.aclose()
            raise
        self._passed += len(piece)
        return piece

    async def aclose(self) -> None:
        """Leave the rest."""
        if self._ended is not None:
            self._end(gone=True)
            await close(self._body)

    def _end(self, *, gone: bool) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self._passed, gone)
