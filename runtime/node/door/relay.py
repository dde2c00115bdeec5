"""One request passed on to a model's process, and its answer back, both as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...server.http1 import LAST_CHUNK, Head, chunk
from ..guard import NAMES, own_body, own_headers
from ..processes.crew import Crew, Member
from .caller import Caller
from .framing import AnswerHead
from .own import Reply
from .upstream import Upstream, Way

_NAMES = NAMES.encode()
_LENGTH = len(_NAMES)


class Relay:
    """To the process with the most room. One that takes no connection has seen nothing: then
    it goes to another. `over` is called once, with whether it was answered."""

    def __init__(
        self, caller: Caller, head: Head, raw: bytes, crew: Crew, over: Callable[[bool], None]
    ) -> None:
        self._caller = caller
        self._crew = crew
        self._over = over
        self._is_over = False
        self._clogged = False
        self.moved = caller.hall.loop.time()
        """When a piece last came from either side."""
        self._head_only = head.method == "HEAD"
        self._is_chunked = head.length is None
        self._early = [_forwarded(raw)]
        self._tried: list[Member] = []
        self._way: Way | None = None
        self._upstream: Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._begun = False
        self._answer_is_chunked = False
        self._closes = False
        self._ended = False

    # -- from the caller

    def takes(self, piece: bytes, ended: bool) -> None:
        if self._is_chunked:
            piece = (chunk(piece) if piece else b"") + (LAST_CHUNK if ended else b"")
        self._ended = ended
        self.moved = self._caller.hall.loop.time()
        upstream = self._upstream
        if upstream is not None:
            upstream.request_ended = ended
            upstream.write(piece)
            return
        self._early.append(piece)
        if self._way is None:
            self._choose()

    def answer_clogged(self, yes: bool) -> None:
        self._clogged = yes
        self.moved = self._caller.hall.loop.time()
        if self._upstream is not None:
            self._upstream.hold(yes)

    def gone(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._upstream is not None:
            self._upstream.give_up()
        self._free()
        self._end(False)

    # -- to a process

    @property
    def is_held(self) -> bool:
        """Whether it is the caller who keeps it waiting."""
        return self._clogged or not self._ended

    def overrun(self, reply: Reply) -> None:
        """The process takes too long: `reply` is the answer, where none has begun."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._upstream is not None:
            self._upstream.give_up()
        self._free()
        if self._begun:
            self._caller.cut()
        else:
            self._caller.answer(reply.status, reply.headers, reply.body)
        self._end(False)

    def _end(self, answered: bool) -> None:
        if not self._is_over:
            self._is_over = True
            self._over(answered)

    def _choose(self) -> None:
        worker = self._crew.with_most_room(self._tried)
        if worker is None or worker.way is None:
            self._refuse()
            return
        way = self._way = worker.way
        way.in_flight += 1
        upstream = way.idle()
        if upstream is not None:
            self._send(upstream)
            return
        self._caller.hold(True)
        self._connecting = self._caller.hall.loop.create_task(self._connect(worker, way))

    async def _connect(self, worker: Member, way: Way) -> None:
        try:
            upstream = await way.connect()
        except OSError:
            self._connecting = None
            self._free()
            self._tried.append(worker)
            self._choose()
            return
        self._connecting = None
        self._send(upstream)
        self._caller.hold(False)

    def _send(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.begin(self, head_only=self._head_only)
        upstream.request_ended = self._ended
        upstream.write(b"".join(self._early))
        self._early = []

    def _refuse(self) -> None:
        failure = self._crew.failure
        if failure is not None:
            reason, message = "failed", failure.reason
        elif self._tried:
            reason, message = "starting", "No process takes the request."
        else:
            reason, message = "starting", "No process of the model is ready yet."
        headers = own_headers(reason) + ("Retry-After: 1\r\n" if reason == "starting" else "")
        self._caller.answer(503, headers, own_body(message))
        self._end(False)

    def _free(self) -> None:
        way, self._way = self._way, None
        if way is not None:
            way.in_flight -= 1
        self._upstream = None

    # -- from the process

    def answers(self, head: AnswerHead, piece: bytes) -> None:
        caller = self._caller
        self.moved = caller.hall.loop.time()
        lines = [head.status_line, *head.lines]
        if head.status >= 200:
            self._begun = True
            self._closes = caller.closes
            self._answer_is_chunked = head.length is None
            if caller.mark:
                lines.append(caller.mark.encode()[:-2])
            if self._closes:
                lines.append(b"connection: close")
            if piece and self._answer_is_chunked:
                piece = chunk(piece)
        lines += (b"", piece)
        caller.write(b"\r\n".join(lines))

    def request_clogged(self, yes: bool) -> None:
        self._caller.hold(yes)

    def goes_on(self, piece: bytes) -> None:
        self.moved = self._caller.hall.loop.time()
        self._caller.write(chunk(piece) if self._answer_is_chunked else piece)

    def ended(self) -> None:
        self._free()
        if self._answer_is_chunked and not self._head_only:
            self._caller.write(LAST_CHUNK)
        self._caller.finished(closes=self._closes)
        self._end(True)

    def lost(self, why: str) -> None:
        self._free()
        if self._begun:
            self._caller.cut()
        else:
            message = f"The model's process was lost under the request. {why}"
            self._caller.answer(502, own_headers("worker-lost"), own_body(message))
        self._end(False)


def _forwarded(raw: bytes) -> bytes:
    """The head without what is between gateway and node."""
    first, *lines = raw.split(b"\r\n")
    kept = [first]
    for line in lines:
        name = line[:_LENGTH].lower()
        if name != _NAMES and not name.startswith(b"connection:"):
            kept.append(line)
    kept.append(b"\r\n")
    return b"\r\n".join(kept)
