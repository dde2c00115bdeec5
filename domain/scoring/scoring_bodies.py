"""Bodies that pass through piece by piece, watched on their way."""

from collections.abc import AsyncIterator, Callable
from enum import Enum
from time import perf_counter

from domain.ports import Break, BrokenOff
from domain.scoring import scoring_refusals as refusals
from domain.scoring.request_record import Ending

SLOW_START = 30.0
"""Seconds that a body has before its speed counts."""
SLOWEST = 16 * 1024
"""Bytes a second, on average: who sends more slowly would hold a place for ever."""


async def close(body: AsyncIterator[bytes]) -> None:
    """Give up the rest of a body; what carries it is freed."""
    aclose = getattr(body, "aclose", None)
    if aclose is not None:
        await aclose()


class Missing(Enum):
    """Why there is nothing to be had of a body that was to be kept."""

    TOO_LARGE = "tooLarge"
    INCOMPLETE = "incomplete"


class KeptBody:
    """The copy of a body that is kept while it passes, for all who ask for it: up to the
    largest `limit` in bytes. `declared` is the length that its head declares."""

    __slots__ = ("_content", "_declared", "_limit", "_whole", "too_large")

    def __init__(self, limit: int, declared: int | None = None) -> None:
        self._limit = limit
        self._declared = declared
        self._content = bytearray()
        self._whole: bytes | None = None
        self.too_large = False

    def raise_limit(self, limit: int) -> None:
        self._limit = max(self._limit, limit)

    def take(self, whole: bytes) -> None:
        """It came in one."""
        self._whole = whole

    def watch(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """`body`, unchanged, which is kept as it is iterated."""
        if self._declared is not None and self._declared > self._limit:
            return body
        return _WatchedBody(body, self)

    def add(self, piece: bytes) -> None:
        if self.too_large:
            return
        if len(self._content) + len(piece) > self._limit:
            self.too_large = True
            self._content.clear()
        else:
            self._content += piece

    def end(self) -> None:
        if not self.too_large:
            self.take(bytes(self._content))

    def up_to(self, limit: int) -> bytes | Missing:
        """The body, if it has passed whole and is not larger than `limit`."""
        declared, whole = self._declared, self._whole
        if self.too_large or (declared is not None and declared > limit):
            return Missing.TOO_LARGE
        if whole is None:
            return Missing.INCOMPLETE
        return whole if len(whole) <= limit else Missing.TOO_LARGE


class _WatchedBody(AsyncIterator[bytes]):
    __slots__ = ("_body", "_kept")

    def __init__(self, body: AsyncIterator[bytes], kept: KeptBody) -> None:
        self._body = body
        self._kept = kept

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._body)
        except StopAsyncIteration:
            self._kept.end()
            raise
        self._kept.add(piece)
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
    """An answer's body on its way to the caller. `ended` is called once, with how it ended; must
    be iterated to its end or closed. By then `passed` counts the bytes passed on, `first_at` is
    when (by perf_counter) the first were there, and `broken` says why it broke off, if it did."""

    __slots__ = ("_body", "_ended", "broken", "first_at", "passed")

    def __init__(
        self, body: AsyncIterator[bytes], ended: Callable[["StreamedAnswer", Ending], None]
    ) -> None:
        self._body = body
        self._ended: Callable[[StreamedAnswer, Ending], None] | None = ended
        self.passed = 0
        self.first_at: float | None = None
        self.broken: Break | None = None

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._body)
        except StopAsyncIteration:
            self._end(Ending.ANSWERED)
            raise
        except Exception as error:  # whatever ended it before its time
            self.broken = error.why if isinstance(error, BrokenOff) else Break.CUT_OFF
            self._end(Ending.BROKEN_OFF)
            raise
        except BaseException:  # cancelled: nobody takes the rest
            await self.aclose()
            raise
        if not self.passed:
            self.first_at = perf_counter()
        self.passed += len(piece)
        return piece

    async def aclose(self) -> None:
        """Leave the rest."""
        if self._ended is not None:
            self._end(Ending.CALLER_GONE)
            await close(self._body)

    def _end(self, ending: Ending) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self, ending)
