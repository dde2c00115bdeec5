"""The agent's own questions to a model's process."""

from __future__ import annotations

import asyncio

from ..time_limit import within
from .framing import AnswerHead
from .upstream import Upstream, Way

_LARGEST = 64 << 20


class Lost(Exception):
    """There is no answer, or only a part of one. `sent`: the process may have seen the question."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class Question:
    """Asked once. Whoever does not take the answer to its end gives it up."""

    def __init__(self, way: Way, method: str, target: str, body: bytes = b"") -> None:
        self._way = way
        head = f"{method} {target} HTTP/1.1\r\nhost: node\r\ncontent-length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._why: str | None = None
        self._upstream: Upstream | None = None

    async def ask(self) -> int:
        """The answer's status, once it begins. Raises Lost."""
        upstream = self._way.idle()
        if upstream is None:
            try:
                upstream = await self._way.connect()
            except OSError as error:
                raise Lost(f"It takes no connection: {error}.", sent=False) from None
        self._upstream = upstream
        upstream.begin(self, head_only=False)
        upstream.request_ended = True
        upstream.write(self._request)
        return await self._status

    @property
    def has_more(self) -> bool:
        """Whether `piece` has something to give at once."""
        return not self._pieces.empty()

    async def piece(self) -> bytes | None:
        """The next of the body as it comes; None at its end. Raises Lost."""
        piece = await self._pieces.get()
        if piece is None and self._why is not None:
            raise Lost(self._why, sent=True)
        return piece

    def give_up(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.give_up()

    # -- as an asker

    def answers(self, head: AnswerHead, piece: bytes) -> None:
        if head.status < 200:
            return
        if not self._status.done():
            self._status.set_result(head.status)
        self.goes_on(piece)

    def goes_on(self, piece: bytes) -> None:
        if piece:
            self._pieces.put_nowait(piece)

    def ended(self) -> None:
        self._upstream = None
        self._pieces.put_nowait(None)

    def lost(self, why: str) -> None:
        self._upstream = None
        self._why = why
        if self._status.done():
            self._pieces.put_nowait(None)
        else:
            self._status.set_exception(Lost(why, sent=True))

    def request_clogged(self, yes: bool) -> None:
        """What is asked is small."""


async def ask(
    way: Way, method: str, target: str, body: bytes = b"", *, timeout: float
) -> tuple[int, bytes]:
    """Status and body. Raises Lost, also for what does not come in `timeout` seconds."""
    question = Question(way, method, target, body)
    try:
        return await within(_whole(question), timeout)
    except asyncio.TimeoutError:  # noqa: UP041 - Python 3.9
        raise Lost(f"It did not answer within {timeout:g} s.", sent=True) from None
    finally:
        question.give_up()


async def _whole(question: Question) -> tuple[int, bytes]:
    status = await question.ask()
    content = bytearray()
    while True:
        piece = await question.piece()
        if piece is None:
            return status, bytes(content)
        content += piece
        if len(content) > _LARGEST:
            raise Lost("Its answer is larger than 64 MiB.", sent=True)
