"""One request to a server of the user's own: when it is its turn, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..door.caller import Caller
from ..door.own import Reply
from ..door.relay import Relay
from ..spec import Server
from .gate import Gate

SCORE = "/score"
ANY = "/path/"
"""Before whatever else of the server a caller asks for: so no path is one of the agent's own."""


class Turn:
    """`relay` makes the request's own, which tells the function that it is given when it is over,
    and whether it was answered."""

    def __init__(
        self, caller: Caller, gate: Gate, relay: Callable[[Callable[[bool], None]], Relay]
    ) -> None:
        self._caller = caller
        self._gate = gate
        self._relay = relay(self._over)
        self._early: list[tuple[bytes, bool]] = []
        self._asked = False
        self._waits = False
        self._begun = False
        self._alarm: asyncio.TimerHandle | None = None

    # -- from the caller

    def takes(self, piece: bytes, ended: bool) -> None:
        if self._begun:
            self._relay.takes(piece, ended)
            return
        self._early.append((piece, ended))
        if not self._asked:
            self._asked = self._waits = True
            self._gate.enter(self)
            if self._waits and not ended:
                self._caller.hold(True)

    def answer_clogged(self, yes: bool) -> None:
        if self._begun:
            self._relay.answer_clogged(yes)

    def gone(self) -> None:
        if self._begun:
            self._relay.gone()
        elif self._waits:
            self._waits = False
            self._gate.forget(self)

    # -- from the gate

    def begin(self) -> None:
        self._waits, self._begun = False, True
        self._caller.hold(False)
        self._watch()
        for piece, ended in self._early:
            self._relay.takes(piece, ended)
        self._early = []

    def refuse(self, reply: Reply) -> None:
        self._waits = False
        self._caller.answer(reply.status, reply.headers, reply.body)

    # -- while it is passed on

    def _over(self, answered: bool) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._gate.leave(failed=not answered)

    def _watch(self) -> None:
        loop, patience = self._caller.hall.loop, self._gate.patience
        left = self._relay.moved + patience - loop.time()
        if self._relay.is_held:
            left = patience  # the caller takes its time, or has not sent everything yet
        if left > 0:
            self._alarm = loop.call_later(left, self._watch)
        else:
            self._relay.overrun(self._gate.overrun())


def rewritten(target: str, server: Server) -> str | None:
    """What a request is for at the server; None for what is not for it."""
    path, mark, query = target.partition("?")
    if path == SCORE:
        path = server.scoring.path
    elif path.startswith(f"{SCORE}/"):
        path = f"{server.scoring.path.rstrip('/')}{path[len(SCORE) :]}"
    elif path.startswith(ANY):
        path = path[len(ANY) - 1 :]
    elif path != "/swagger.json":
        return None
    return f"{path}{mark}{query}"
