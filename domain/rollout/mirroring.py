"""Copies of live requests to the mirror: after the answer, best effort, never in the way.

A copy is sent only when its original has been answered (or refused, or has failed), so the
caller waits for nothing here; at most `max_in_flight` are under way, and what is more is
counted as lost. What both deployments said is compared and counted.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from domain.ground.counting.tally import Tally, endpoint_subject
from domain.ground.stored_sums import StoredSums, Subject
from domain.ports import BrokenOff, InstanceLost, Scorer, ScoringRequest, ScoringResponse
from domain.ports.records.figure_store import Series
from domain.rollout import shadow_diff
from domain.rollout.shadow_diff import Lost, Side
from domain.scoring.exchange_taps import Tap
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import DeploymentRoute, Route
from domain.scoring.scoring_bodies import KeptBody, Missing, close
from domain.scoring.scoring_exchange import Exchange
from domain.scoring.scoring_headers import MODEL_REASON, value_of
from domain.scoring.scoring_refusals import CALLER_GONE, TOO_MANY_PENDING

_log = logging.getLogger("ml_endpoints.mirroring")

_GIVING_UP = 1.0
"""Seconds for which a copy that is given up may go on with its own ending."""
_COMPARED_AT_ONCE = 16 * 1024
"""Bytes of an answer up to which comparing it costs the event loop nothing to speak of."""


@dataclass(slots=True)
class _Copy:
    """One request that is to be mirrored, from its routing to its end."""

    exchange: Exchange
    mirror: DeploymentRoute
    subject: Subject
    live: str

    def series(self, metric: str, *told: str) -> Series:
        """What figures over time count it under."""
        endpoint = self.exchange.call.endpoint
        return Series(endpoint_subject(endpoint), metric, (self.live, self.mirror.name, *told))


class Mirroring(Tap):
    """One gateway's copies. One event loop owns it; its figures go to `sums`."""

    def __init__(
        self,
        scorer: Scorer,
        instances: InstanceChoice,
        sums: StoredSums,
        tally: Tally,
        *,
        max_in_flight: int,
        max_bytes: int,
    ) -> None:
        self._scorer = scorer
        self._instances = instances
        self._sums = sums
        self._tally = tally
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """Copies that are under way."""
        return len(self._under_way)

    def wants(self, route: Route) -> bool:
        return route.mirrored

    def listen(self, exchange: Exchange) -> Listener | None:
        """The copy to be, if it is this request's turn to be mirrored."""
        route, live = exchange.route, exchange.deployment
        if route is None or live is None or not exchange.by_split:
            return None
        if exchange.call.method == "OPTIONS":
            return None
        mirror = route.mirror()
        if mirror is None:
            return None
        exchange.keep_request(self._max_bytes)
        exchange.keep_answer(self._max_bytes)
        subject = shadow_diff.subject(
            route.endpoint, live.name, live.revision, mirror.name, mirror.revision
        )
        return partial(self._follow, _Copy(exchange, mirror, subject, live.name))

    async def close(self, *, grace: float) -> None:
        """Copies that take longer than `grace` seconds are given up, and counted as lost."""
        if not self._under_way:
            return
        _, still = await asyncio.wait(self._under_way, timeout=grace)
        for copy in still:
            copy.cancel()
        if still:
            await asyncio.wait(still, timeout=_GIVING_UP)

    def _follow(self, copy: _Copy, record: RequestRecord) -> None:
        """The original is over: send its copy, unless that is lost."""
        exchange = copy.exchange
        body = exchange.request_body(self._max_bytes)
        if body is Missing.TOO_LARGE:
            self._lose(copy, Lost.TOO_LARGE)
        elif body is Missing.INCOMPLETE or exchange.request is None or record.code == CALLER_GONE:
            self._lose(copy, Lost.INCOMPLETE)
        elif self.in_flight >= self._max_in_flight:
            self._lose(copy, Lost.TOO_MANY_IN_FLIGHT)
        else:
            answer = exchange.answer_body(self._max_bytes)
            live = Side(
                200 <= record.code < 300,
                record.model_seconds or record.total_seconds,
                answer if isinstance(answer, bytes) else None,
            )
            request = replace(exchange.request, body=body)
            task = asyncio.create_task(self._send(copy, request, live))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _lose(self, copy: _Copy, why: Lost) -> None:
        self._sums.add(copy.subject, shadow_diff.lost(why))
        self._tally.add(copy.series("LostCopies", why.value))

    async def _send(self, copy: _Copy, request: ScoringRequest, live: Side) -> None:
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
            self._tally.add(copy.series("MirroredRequests"))
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
            limit = mirror.request_timeout
            response = await self._scorer.score(instance, request, timeout=limit)
            seconds = perf_counter() - started
            answer = await self._taken(response, limit)
        except (TimeoutError, BrokenOff):
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

    async def _taken(self, response: ScoringResponse, limit: float) -> bytes | None:
        """The whole answer, each piece of which may take `limit` seconds; None for one larger
        than is kept, whose rest is left."""
        body = response.body
        if isinstance(body, bytes):
            return body if len(body) <= self._max_bytes else None
        kept = KeptBody(self._max_bytes)
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(limit) as waiting:
                async for piece in body:
                    kept.add(piece)
                    if kept.too_large:
                        return None
                    waiting.reschedule(now() + limit)
            kept.end()
        finally:
            await close(body)
        whole = kept.up_to(self._max_bytes)
        return whole if isinstance(whole, bytes) else None
