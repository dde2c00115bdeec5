"""Taps on scoring exchanges: who listens to what is asked, what is answered and how it ended.

Metrics, the traffic log, mirroring and the tally of a rollout listen in this one way, and
whatever comes (a data collector, a ledger) is one more tap that the composition names.
"""

import asyncio
import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from domain.scoring.request_record import Ending, Listener, RequestRecord
from domain.scoring.scoring_exchange import Exchange

_log = logging.getLogger("ml_endpoints.scoring")

_GIVING_UP = 1.0
"""Seconds beyond the grace for which a tap may go on with giving up what is under way."""


class Tap(Protocol):
    """Is offered every exchange once: when it is known where the request goes, or at its end
    if it was refused before that (its `route` and `deployment` are None then).

    What it may read of an exchange: `call` (but not its body) and `headers`, `route`,
    `deployment` and `by_split`; at the end also `request` as it went to the instance, the
    head of its `response`, and the bodies that `keep_request` and `keep_answer` were asked for.
    """

    @abstractmethod
    def listen(self, exchange: Exchange) -> Listener | None:
        """Who listens to this exchange; None for nobody, which costs the request nothing
        more. Called on the event loop, on the request's way: must return at once. Whatever
        it raises is logged, and the exchange goes on unheard."""

    async def close(self, *, grace: float) -> None:
        """Let what is under way for exchanges that have ended come to its end within `grace`
        seconds, and give up the rest. Most taps have nothing under way."""
        return


class RecordTap(Tap, Listener):
    """Hears of every exchange, and gives its record to `take`."""

    def __init__(self, take: Callable[[RequestRecord], None]) -> None:
        self._take = take

    def listen(self, exchange: Exchange) -> Listener | None:
        return self

    def ended(self, record: RequestRecord) -> None:
        self._take(record)


class Taps:
    """One gateway's."""

    def __init__(self, taps: Sequence[Tap]) -> None:
        self._taps = tuple(taps)
        self._failures: Counter[str] = Counter()

    def offer(self, exchange: Exchange) -> None:
        """To be called once the exchange has its deployment."""
        exchange.offered = True
        for tap in self._taps:
            try:
                listener = tap.listen(exchange)
            except Exception:  # no tap may harm a request
                self._failed(tap)
                continue
            if listener is not None:
                if exchange.listeners is None:
                    exchange.listeners = [listener]
                else:
                    exchange.listeners.append(listener)

    def end(self, exchange: Exchange, code: int, ending: Ending) -> None:
        """Tell those who listen. `code` is what the caller was answered."""
        if not exchange.offered:
            self.offer(exchange)
        listeners = exchange.listeners
        if listeners is None:
            return
        # A listener holds its exchange, and with that perhaps bodies: no circle may keep them.
        exchange.listeners = None
        record = exchange.record(code, ending)
        for listener in listeners:
            try:
                listener.ended(record)
            except Exception:  # no tap may harm a request
                self._failed(listener)

    async def close(self, *, grace: float) -> None:
        """End what every tap has under way; one that cannot end holds up no other."""
        await asyncio.gather(*(self._close(tap, grace) for tap in self._taps))

    async def _close(self, tap: Tap, grace: float) -> None:
        try:
            async with asyncio.timeout(grace + _GIVING_UP):
                await tap.close(grace=grace)
        except TimeoutError:
            _log.warning("%s did not come to an end in %g s", type(tap).__name__, grace)
        except Exception:  # the others are to be closed too
            self._failed(tap)

    def _failed(self, who: Tap | Listener) -> None:
        """Logged the first, second, fourth, eighth... time: at each request it might fail."""
        name = type(who).__name__
        self._failures[name] += 1
        times = self._failures[name]
        if times & (times - 1) == 0:
            _log.exception("%s failed (%d times by now); the request goes on", name, times)
