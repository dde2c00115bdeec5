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
from domain.ground.stored_sums import StoredSums
from domain.ports import Compute, Instance, InstanceLost, Scorer, ScoringRequest, ScoringResponse
from domain.rollout.mirroring import Copy, Mirroring
from domain.rollout.rollout_tally import tallied
from domain.scaling.waking import Waking
from domain.scoring import scoring_refusals as refusals
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import DeploymentRoute, Route, RouteTable
from domain.scoring.request_record import OnFinished
from domain.scoring.scoring_access import KeyAccess
from domain.scoring.scoring_bodies import CountedBody, StreamedAnswer, close
from domain.scoring.scoring_exchange import Answer, Call, CallerGone, CallerStalled, Exchange
from domain.scoring.scoring_headers import MODEL_REASON, MODEL_STATUS, forwarded_back, value_of
from domain.scoring.scoring_refusals import Refused
from domain.scoring.uploads import Uploads

SCORE = "/score"
SWAGGER = "/swagger.json"

WHOLE_BODY = 64 * 1024
"""A body of a known length up to this is taken whole before it is passed on; any other is
passed on piece by piece."""

_LOAD_BYTES = 4096


class OnlineScoring:
    """Scores a request on the deployment that its endpoint's split, or its caller, names.
    Without `access` only key mode opens; without `mirroring` nothing is mirrored; without
    `sums` no rollout is counted."""

    def __init__(
        self,
        routes: RouteTable,
        compute: Compute,
        scorer: Scorer,
        *,
        access: KeyAccess | None = None,
        instances: InstanceChoice | None = None,
        mirroring: Mirroring | None = None,
        sums: StoredSums | None = None,
        max_request_bytes: int = 100 * 2**20,
        on_finished: OnFinished | None = None,
        waking: Waking | None = None,
    ) -> None:
        self._routes = routes
        self._access = access or KeyAccess()
        self._instances = instances or InstanceChoice(compute)
        self._mirroring = mirroring
        self._sums = sums
        self._scorer = scorer
        self._max_request_bytes = max_request_bytes
        self._on_finished = on_finished
        self._waking = waking
        self._uploads = Uploads(compute)

    async def score(self, call: Call) -> Answer:
        """Pass `call` to one instance and give its answer, or the reason why not; a request
        that an instance may have seen is never sent twice. Raises CallerGone. Cancelling
        gives the request up, at the instance too. A streamed body must be iterated to its
        end or closed."""
        exchange = Exchange(call, self._on_finished)
        try:
            return await self._pass(call, exchange)
        except Refused as refusal:
            return exchange.refused(refusal)
        except Unavailable as error:
            return exchange.refused(refusals.route_unknown(error.message))
        except CallerStalled:
            return exchange.refused(refusals.body_stalled())
        except (CallerGone, asyncio.CancelledError):
            exchange.finish(refusals.CALLER_GONE)
            raise
        except Exception:  # counted, then left to the host, which answers 500
            exchange.finish(500)
            raise

    async def close(self, *, grace: float = 2.0) -> None:
        """Let mirrored copies end within `grace` seconds, and store what was counted. No
        request is scored after."""
        if self._mirroring is not None:
            await self._mirroring.idle(within=grace)
        if self._sums is not None:
            await self._sums.close()

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
        await self._access.check(route, headers.bearer)
        deployment = _choose(route, headers.deployment, call.path)
        exchange.deployment = deployment.name
        copy: Copy | None = None
        if call.path == SCORE and not headers.deployment:
            if self._sums is not None and route.tally:
                tallied(self._sums, route, deployment, exchange)
            if self._mirroring is not None and call.method != "OPTIONS":
                copy = self._mirroring.copy(route, deployment, exchange)
        body = await self._body(call, exchange, copy)
        request = ScoringRequest(call.method, call.path, call.query, headers.forwarded, body)
        if copy is not None:
            copy.request = request
        response, instance = await self._ask(deployment, request, exchange)
        if 200 <= response.status < 300:
            return self._answer(response.status, response, instance, exchange, copy)
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

    async def _body(self, call: Call, exchange: Exchange, copy: Copy | None) -> bytes | CountedBody:
        length = exchange.headers.length
        if length == 0:
            if copy is not None:
                copy.body = b""
            return b""
        if length is not None and length > self._max_request_bytes:
            raise refusals.body_too_large(self._max_request_bytes)
        if length is None or length > WHOLE_BODY:
            pieces = call.body.pieces()
            if copy is not None and self._mirroring is not None and not copy.too_large:
                pieces = copy.body = self._mirroring.keep(pieces)
            body = CountedBody(pieces, self._max_request_bytes)
            exchange.streamed_in = body
            return body
        whole = await call.body.whole()
        exchange.request_bytes = len(whole)
        if copy is not None:
            copy.body = whole
        return whole

    async def _ask(
        self, deployment: DeploymentRoute, request: ScoringRequest, exchange: Exchange
    ) -> tuple[ScoringResponse, Instance]:
        """One instance's answer; it is counted as busy until `leave`. Where all sleep, or none
        is up yet after a start of this host, one is waited for first."""
        if exchange.streamed_in is not None:
            with self._uploads.place(deployment):
                return await self._ask_some(deployment, request, exchange)
        return await self._ask_some(deployment, request, exchange)

    async def _ask_some(
        self, deployment: DeploymentRoute, request: ScoringRequest, exchange: Exchange
    ) -> tuple[ScoringResponse, Instance]:
        comes = deployment.may_sleep or deployment.proven
        if comes and self._waking is not None and not self._instances.any(deployment):
            async with self._waking.turn(exchange.endpoint, deployment):
                return await self._ask_awake(deployment, request, exchange)
        return await self._ask_awake(deployment, request, exchange)

    async def _ask_awake(
        self, deployment: DeploymentRoute, request: ScoringRequest, exchange: Exchange
    ) -> tuple[ScoringResponse, Instance]:
        """A second instance is tried only if the first has certainly seen nothing."""
        started = perf_counter()
        instance: Instance | None = None
        for _ in range(2):
            instance = self._instances.choose(deployment, besides=instance)
            if instance is None:
                break
            self._instances.enter(instance)
            answered = False
            try:
                left = deployment.request_timeout - (perf_counter() - started)
                response = await self._scorer.score(instance, request, timeout=max(left, 0.001))
                answered = True
                exchange.answered(response.status, started)
                self._instances.answered(
                    deployment, instance, response.status, exchange.model_seconds
                )
                return response, instance
            except TimeoutError:
                self._instances.failed(deployment, instance)
                raise refusals.timed_out(deployment.name, deployment.request_timeout) from None
            except InstanceLost as lost:
                self._instances.failed(deployment, instance)
                streamed = exchange.streamed_in
                if streamed is not None and streamed.failed is not None:
                    raise streamed.failed from None
                if lost.sent or (streamed is not None and streamed.begun):
                    raise refusals.instance_lost(deployment.name, str(lost)) from lost
            finally:
                if not answered:
                    self._instances.leave(instance)
        exchange.model_reason = refusals.MODEL_NOT_READY
        raise refusals.not_ready(deployment.name, deployment.state.value)

    def _answer(
        self,
        status: int,
        response: ScoringResponse,
        instance: Instance,
        exchange: Exchange,
        copy: Copy | None = None,
    ) -> Answer:
        headers = exchange.answer_headers(forwarded_back(response.headers))
        if status == 424:
            headers.append((MODEL_STATUS, str(response.status)))
            headers.append((MODEL_REASON, refusals.MODEL_ERROR))
        body = response.body
        if isinstance(body, bytes):
            self._instances.leave(instance)
            exchange.response_bytes = len(body)
            if copy is not None:
                copy.answer = body
            exchange.finish(status)
            return Answer(status, headers, body)

        headed = perf_counter()
        if copy is not None and self._mirroring is not None:
            body = copy.answer = self._mirroring.keep(body)

        def ended(passed: int, gone: bool) -> None:
            self._instances.leave(instance)
            exchange.response_bytes = passed
            exchange.response_seconds = perf_counter() - headed
            exchange.finish(refusals.CALLER_GONE if gone else status)

        return Answer(status, headers, StreamedAnswer(body, ended))

    async def _overloaded(
        self,
        deployment: DeploymentRoute,
        response: ScoringResponse,
        instance: Instance,
        exchange: Exchange,
    ) -> Refused:
        body = await self._drop(response, instance)
        in_flight, instances = self._instances.in_flight(deployment)
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
        self._instances.leave(instance)
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
