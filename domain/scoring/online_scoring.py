"""From a caller's request to an instance of a deployment and back.

What becomes of the container's answer: 2xx passes as it is; 429 from the inference server
itself (it says `too_many_pending_request`) is this endpoint's 429, with figures; anything
else (redirects, and a 429 of the scoring script's own) is 424 with the container's body byte
for byte and its status in a header, as Azure ML has it.

No store and no queue is touched here while the route is fresh and an instance is ready.
"""

import asyncio
import json
from time import perf_counter
from typing import Any

from domain.errors import Unavailable
from domain.ports import Instance, ScoringRequest, ScoringResponse
from domain.scoring import scoring_refusals as refusals
from domain.scoring.exchange_taps import Taps
from domain.scoring.instance_asking import InstanceAsking
from domain.scoring.online_routing import RouteTable
from domain.scoring.request_record import Ending
from domain.scoring.route import DeploymentRoute, Route
from domain.scoring.scoring_access import ScoringAccess
from domain.scoring.scoring_bodies import CountedBody, StreamedAnswer, close
from domain.scoring.scoring_exchange import (
    SWAGGER,
    Answer,
    Call,
    CallerGone,
    CallerStalled,
    Exchange,
)
from domain.scoring.scoring_headers import MODEL_REASON, MODEL_STATUS, forwarded_back, value_of
from domain.scoring.scoring_refusals import Refused

WHOLE_BODY = 64 * 1024
"""A body of a known length up to this is taken whole before it is passed on; any other is
passed on piece by piece."""

_LOAD_BYTES = 4096


class OnlineScoring:
    """Scores a request on the deployment that its endpoint's split, or its caller, names.
    `taps` hear of every request, and none can fail one."""

    def __init__(
        self,
        routes: RouteTable,
        access: ScoringAccess,
        asking: InstanceAsking,
        taps: Taps,
        *,
        max_request_bytes: int,
    ) -> None:
        self._routes = routes
        self._access = access
        self._asking = asking
        self._taps = taps
        self._max_request_bytes = max_request_bytes

    async def score(self, call: Call) -> Answer:
        """Pass `call` to one instance and give its answer, or the reason why not; a request
        that an instance may have seen is never sent twice. Raises CallerGone. Cancelling
        gives the request up, at the instance too. A streamed body must be iterated to its
        end or closed."""
        exchange = Exchange(call)
        try:
            return await self._pass(call, exchange)
        except Refused as refusal:
            return self._refuse(exchange, refusal)
        except Unavailable as error:
            return self._refuse(exchange, refusals.route_unknown(error.message))
        except CallerStalled:
            return self._refuse(exchange, refusals.body_stalled())
        except (CallerGone, asyncio.CancelledError):
            self._taps.end(exchange, refusals.CALLER_GONE, Ending.CALLER_GONE)
            raise
        except Exception:  # counted, then left to the host, which answers 500
            self._taps.end(exchange, 500, Ending.FAILED)
            raise

    def refuse(self, call: Call, refusal: Refused) -> Answer:
        """The answer to a call that whoever stands before this does not let through."""
        return self._refuse(Exchange(call), refusal)

    async def close(self, *, grace: float) -> None:
        """Have the taps end what they have under way, within `grace` seconds or little more.
        No request is scored after."""
        await self._taps.close(grace=grace)

    async def sharing(self, endpoint: str) -> list[str]:
        """The names of the deployments that have traffic, most first."""
        route = await self._routes.find(endpoint)
        if route is None:
            return []
        shares = sorted(((-s, name) for name, s in route.traffic.items() if s))
        return [route.deployments[name].name for _, name in shares]

    async def _pass(self, call: Call, exchange: Exchange) -> Answer:
        headers = exchange.headers
        route = await self._routes.find(call.endpoint)
        if route is None:
            raise refusals.no_such_endpoint(call.endpoint)
        exchange.caller = await self._access.check(route, headers.bearer)
        deployment = _choose(route, headers.deployment, call.path)
        exchange.route = route
        exchange.deployment = deployment
        self._taps.offer(exchange, route)
        body = await self._body(call, exchange)
        request = ScoringRequest(call.method, call.asked_path, call.query, headers.forwarded, body)
        exchange.request = request
        response, instance = await self._asking.ask(exchange, deployment, request)
        if 200 <= response.status < 300:
            return self._answer(response.status, response, instance, exchange)
        if response.status == 429:
            reason = value_of(response.headers, MODEL_REASON)
            if reason == refusals.TOO_MANY_PENDING:
                raise await self._overloaded(deployment, response, instance, exchange)
        if exchange.model_seconds >= deployment.request_timeout:
            # The instance keeps the same limit, and was first to say that it has passed.
            await self._drop(response, instance)
            raise refusals.timed_out(deployment.name, deployment.request_timeout)
        exchange.model_reason = refusals.MODEL_ERROR
        return self._answer(424, response, instance, exchange)

    async def _body(self, call: Call, exchange: Exchange) -> bytes | CountedBody:
        length = exchange.headers.length
        if length == 0:
            return b""
        if length is not None and length > self._max_request_bytes:
            raise refusals.body_too_large(self._max_request_bytes)
        if length is None or length > WHOLE_BODY:
            return exchange.comes(call.body.pieces(), self._max_request_bytes)
        whole = await call.body.whole()
        exchange.request_bytes = len(whole)
        return whole

    def _answer(
        self, status: int, response: ScoringResponse, instance: Instance, exchange: Exchange
    ) -> Answer:
        headers = exchange.answer_headers(forwarded_back(response.headers))
        if status == 424:
            headers.append((MODEL_STATUS, str(response.status)))
            headers.append((MODEL_REASON, refusals.MODEL_ERROR))
        body = response.body
        if isinstance(body, bytes):
            self._asking.leave(instance)
            exchange.response_bytes = len(body)
            self._taps.end(exchange, status, Ending.ANSWERED)
            return Answer(status, headers, body)

        headed = perf_counter()

        def ended(streamed: StreamedAnswer, ending: Ending) -> None:
            self._asking.passed(exchange, instance, ending)
            code = exchange.passed(streamed, status, ending, headed)
            self._taps.end(exchange, code, ending)

        return Answer(status, headers, StreamedAnswer(exchange.goes(body), ended))

    def _refuse(self, exchange: Exchange, refusal: Refused) -> Answer:
        if refusal.caller:
            exchange.caller = f"client:{refusal.caller}"
        answer = exchange.refused(refusal)
        self._taps.end(exchange, refusal.status, Ending.REFUSED)
        return answer

    async def _overloaded(
        self,
        deployment: DeploymentRoute,
        response: ScoringResponse,
        instance: Instance,
        exchange: Exchange,
    ) -> Refused:
        body = await self._drop(response, instance)
        in_flight, instances = self._asking.in_flight(deployment)
        exchange.model_reason = refusals.TOO_MANY_PENDING
        after = value_of(response.headers, "retry-after") or ""
        return refusals.overloaded(
            deployment.name,
            max_concurrent=deployment.max_concurrent,
            instances=instances,
            in_flight=in_flight,
            instance_load=_load(body),
            retry_after=int(after) if after.isdecimal() and len(after) < 5 else 1,
        )

    async def _drop(self, response: ScoringResponse, instance: Instance) -> bytes:
        """Done with an instance's answer that goes no further; its body, where it is whole."""
        self._asking.leave(instance)
        body = response.body
        if isinstance(body, bytes):
            return body
        await close(body)
        return b""


def _choose(route: Route, named: str, path: str) -> DeploymentRoute:
    """The deployment that the caller names, whatever its traffic; else the split's next. A
    read of the OpenAPI document takes nobody's turn."""
    if named:
        found = route.deployment(named)
        if found is None:
            raise refusals.no_such_deployment(route.endpoint, named, _names(route))
        return found
    chosen = route.busiest() if path == SWAGGER else route.next()
    if chosen is None:
        raise refusals.no_route(route.endpoint, _names(route))
    return chosen


def _names(route: Route) -> list[str]:
    return [deployment.name for deployment in route.deployments.values()]


def _load(body: bytes) -> dict[str, Any] | None:
    """The figures in an instance's refusal, where it gives any."""
    if not 0 < len(body) <= _LOAD_BYTES:
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
