"""Copies of live requests to the mirror: after the answer, best effort, never in the way.

A copy is sent only when its original has been answered (or refused, or has failed), so the
caller waits for nothing here; at most `max_in_flight` are under way, and what is more is
counted as lost. What both deployments said is compared and counted.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from time import perf_counter

from domain.ground.stored_sums import StoredSums, Subject
from domain.ports import InstanceLost, Scorer, ScoringRequest, ScoringResponse
from domain.rollout import shadow_diff
from domain.rollout.shadow_diff import Lost, Side
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import DeploymentRoute, Route
from domain.scoring.scoring_bodies import KeptBody, close
from domain.scoring.scoring_exchange import Exchange
from domain.scoring.scoring_headers import MODEL_REASON, value_of
from domain.scoring.scoring_refusals import CALLER_GONE, TOO_MANY_PENDING

_log = logging.getLogger("ml_endpoints.mirroring")

_GIVING_UP = 1.0
"""Seconds for which a copy that is given up may go on with its own ending."""
_COMPARED_AT_ONCE = 16 * 1024
"""Bytes of an answer up to which comparing it costs the event loop nothing to speak of."""


class Copy:
    """One request that is to be mirrored. `request` is the original as it went to its
    instance; `body` and `answer` are kept as they pass."""

    __slots__ = ("answer", "body", "mirror", "request", "subject", "too_large")

    def __init__(self, subject: Subject, mirror: DeploymentRoute) -> None:
        self.subject = subject
        self.mirror = mirror
        self.request: ScoringRequest | None = None
        self.body: bytes | KeptBody | None = None
        self.answer: bytes | KeptBody | None = None
        self.too_large = False


class Mirroring:
    """One gateway's copies. One event loop owns it; its figures go to `sums`."""

    def __init__(
        self,
        scorer: Scorer,
        instances: InstanceChoice,
        sums: StoredSums,
        *,
        max_in_flight: int = 32,
        max_bytes: int = 2**20,
    ) -> None:
        self._scorer = scorer
        self._instances = instances
        self._sums = sums
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._under_way: set[asyncio.Task[None]] = set()

    def copy(self, route: Route, live: DeploymentRoute, exchange: Exchange) -> Copy | None:
        """The copy to be, if it is this request's turn to be mirrored."""
        mirror = route.mirror()
        if mirror is None:
            return None
        subject = shadow_diff.subject(
            route.endpoint, live.name, live.revision, mirror.name, mirror.revision
        )
        copy = Copy(subject, mirror)
        length = exchange.headers.length
        copy.too_large = length is not None and length > self._max_bytes
        exchange.ended.append(lambda exchange, code: self._ended(copy, exchange, code))
        return copy

    def keep(self, body: AsyncIterator[bytes]) -> KeptBody:
        return KeptBody(body, self._max_bytes)

    async def idle(self, *, within: float) -> None:
        """Wait until no copy is under way. Those that take longer than `within` seconds are
        given up, and counted as lost."""
        if not self._under_way:
            return
        _, still = await asyncio.wait(self._under_way, timeout=within)
        for copy in still:
            copy.cancel()
        if still:
            await asyncio.wait(still, timeout=_GIVING_UP)

    def _ended(self, copy: Copy, exchange: Exchange, code: int) -> None:
        body = _whole(copy.body)
        if copy.too_large or (isinstance(copy.body, KeptBody) and copy.body.too_large):
            self._lose(copy, Lost.TOO_LARGE)
        elif body is None or copy.request is None or code == CALLER_GONE:
            self._lose(copy, Lost.INCOMPLETE)
        elif len(self._under_way) >= self._max_in_flight:
            self._lose(copy, Lost.TOO_MANY_IN_FLIGHT)
        else:
            original = copy.request
            request = ScoringRequest(
                original.method, original.path, original.query, original.headers, body
            )
            live = Side(200 <= code < 300, exchange.seconds, _whole(copy.answer))
            task = asyncio.create_task(self._send(copy, request, live))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _lose(self, copy: Copy, why: Lost) -> None:
        self._sums.add(copy.subject, shadow_diff.lost(why))

    async def _send(self, copy: Copy, request: ScoringRequest, live: Side) -> None:
        try:
            met = await self._ask(copy.mirror, request)
            if isinstance(met, Lost):
                self._lose(copy, met)
                return
            size = max(len(live.answer or b""), len(met.answer or b""))
            if size > _COMPARED_AT_ONCE:
                amounts = await asyncio.to_thread(shadow_diff.compared, live, met)
            else:
                amounts = shadow_diff.compared(live, met)
            self._sums.add(copy.subject, amounts)
        except asyncio.CancelledError:
            self._lose(copy, Lost.INCOMPLETE)
            raise
        except Exception:  # nobody waits for a copy: whatever it meets must end here
            _log.exception("A mirrored request failed inside")

    async def _ask(self, mirror: DeploymentRoute, request: ScoringRequest) -> Side | Lost:
        instance = self._instances.choose(mirror)
        if instance is None:
            return Lost.NOT_READY
        self._instances.enter(instance)
        started = perf_counter()
        try:
            async with asyncio.timeout(mirror.request_timeout):
                response = await self._scorer.score(
                    instance, request, timeout=mirror.request_timeout
                )
                seconds = perf_counter() - started
                answer = await self._taken(response)
        except TimeoutError:
            return Side(False, perf_counter() - started, None)
        except InstanceLost as lost:
            if not lost.sent:
                return Lost.NOT_READY
            return Side(False, perf_counter() - started, None)
        finally:
            self._instances.leave(instance)
        if response.status == 429:
            reason = value_of(response.headers, MODEL_REASON)
            if reason == TOO_MANY_PENDING:
                return Lost.OVERLOADED
        return Side(200 <= response.status < 300, seconds, answer)

    async def _taken(self, response: ScoringResponse) -> bytes | None:
        """The whole answer; None for one larger than is kept, whose rest is left."""
        body = response.body
        if isinstance(body, bytes):
            return body if len(body) <= self._max_bytes else None
        kept = self.keep(body)
        try:
            async for _ in kept:
                if kept.too_large:
                    return None
        finally:
            await close(kept)
        return kept.whole


def _whole(kept: bytes | KeptBody | None) -> bytes | None:
    return kept.whole if isinstance(kept, KeptBody) else kept
