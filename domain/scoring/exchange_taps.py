"""Who listens to scoring exchanges: to what is asked, what is answered and how it ended.

Everybody listens in one way, and nobody can harm a request. Whoever hears of every exchange
(metrics, the traffic log, a ledger) is a listener. Whoever hears of some, or needs more than
the record of one (mirroring, the tally of a rollout, a data collector), is a tap, which gives a
listener to the exchanges that it wants.
"""

import asyncio
import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from domain.scoring.request_record import Ending, Listener
from domain.scoring.route import Route
from domain.scoring.scoring_exchange import Exchange

_log = logging.getLogger("ml_endpoints.scoring")

_GIVING_UP = 1.0
"""Seconds beyond the grace for which a tap may go on with giving up what is under way."""


class Tap(Protocol):
    """Is offered the exchanges of the routes that it wants, once it is known where the request
    goes: what it does not want costs a request nothing.

    What it may read of an exchange: `call` (but not its body), `headers`, `route`, `deployment`
    and `by_split`. Its listener may read, at the end, also `request` as it went to the
    instance, the head of its `response`, and `request_body` and `answer_body`, if the tap has
    asked for them by `keep_request` and `keep_answer`.
    """

    @abstractmethod
    def wants(self, route: Route) -> bool:
        """Whether to be offered the exchanges of this route. Asked once for each state that a
        route is read in, not for each request."""

    @abstractmethod
    def listen(self, exchange: Exchange) -> Listener | None:
        """Who is told of this exchange's end; None for nobody. Called on the event loop, on
        the request's way: must return at once. Whatever it raises is logged, and the exchange
        goes on unheard."""

    async def close(self, *, grace: float) -> None:
        """Let what is under way for exchanges that have ended come to its end within `grace`
        seconds, and give up the rest. Most taps have nothing under way."""
        return


class Taps:
    """One gateway's."""

    def __init__(self, listeners: Sequence[Listener], taps: Sequence[Tap]) -> None:
        self._listeners = tuple(listeners)
        self._taps = tuple(taps)
        self._failures: Counter[str] = Counter()

    def offer(self, exchange: Exchange, route: Route) -> None:
        """To be called once the exchange has its deployment."""
        taps = route.taps
        if taps is None:
            taps = route.taps = tuple(tap for tap in self._taps if self._wants(tap, route))
        for tap in taps:
            try:
                listener = tap.listen(exchange)
            except Exception:  # no tap may harm a request
                self._failed(tap)
                continue
            if listener is not None:
                if exchange.listeners is None:
                    exchange.listeners = []
                exchange.listeners.append(listener)

    def end(self, exchange: Exchange, code: int, ending: Ending) -> None:
        """Tell all who listen. `code` is what the caller was answered."""
        record = exchange.record(code, ending)
        for listener in self._listeners:
            try:
                listener(record)
            except Exception:  # no listener may harm a request
                self._failed(listener)
        if exchange.listeners is None:
            return
        # They hold their exchange, and with that perhaps bodies: no circle may keep them.
        listeners, exchange.listeners = exchange.listeners, None
        for listener in listeners:
            try:
                listener(record)
            except Exception:  # the same
                self._failed(listener)

    async def close(self, *, grace: float) -> None:
        """End what every tap has under way; one that cannot end holds up no other."""
        await asyncio.gather(*(self._close(tap, grace) for tap in self._taps))

    def _wants(self, tap: Tap, route: Route) -> bool:
        try:
            return tap.wants(route)
        except Exception:  # no tap may harm a request
            self._failed(tap)
            return False

    async def _close(self, tap: Tap, grace: float) -> None:
        try:
            async with asyncio.timeout(grace + _GIVING_UP):
                await tap.close(grace=grace)
        except TimeoutError:
            _log.warning("%r did not come to an end in %g s", tap, grace)
        except Exception:  # the others are to be closed too
            self._failed(tap)

    def _failed(self, who: Tap | Listener) -> None:
        """Logged the first, second, fourth, eighth... time: it may fail at each request."""
        name = type(who).__name__
        self._failures[name] += 1
        times = self._failures[name]
        if times & (times - 1) == 0:
            _log.exception("%r failed (%d times by now); requests go on", who, times)
