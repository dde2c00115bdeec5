"""One instance's answer to a request."""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Protocol

from domain.ports import Instance, InstanceLost, Scorer, ScoringRequest, ScoringResponse
from domain.scoring import scoring_refusals as refusals
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.request_record import Ending
from domain.scoring.route import DeploymentRoute
from domain.scoring.scoring_exchange import Exchange
from domain.scoring.uploads import Uploads


class Awakening(Protocol):
    """Has a deployment up that sleeps, or that is being restored."""

    @abstractmethod
    def turn(self, endpoint: str, deployment: DeploymentRoute) -> AbstractAsyncContextManager[None]:
        """Entered once the deployment is up, or it is certain that nothing comes up now, and
        it is this request's turn. Raises Refused when that takes too long, too many wait
        already, or it will not come."""


class InstanceAsking:
    """One event loop owns it."""

    def __init__(self, scorer: Scorer, instances: InstanceChoice, awakening: Awakening) -> None:
        self._scorer = scorer
        self._instances = instances
        self._awakening = awakening
        self._uploads = Uploads(instances)

    async def ask(
        self, exchange: Exchange, deployment: DeploymentRoute, request: ScoringRequest
    ) -> tuple[ScoringResponse, Instance]:
        """The answer, and whose it is: that instance counts as busy until `leave`. Where all
        sleep, or none is up yet after a start of this host, one is waited for first. Raises
        Refused."""
        if exchange.streamed_in is not None:
            with self._uploads.place(deployment):
                return await self._ask_up(exchange, deployment, request)
        if self._instances.any(deployment):
            return await self._ask_awake(exchange, deployment, request)
        return await self._ask_up(exchange, deployment, request)

    def leave(self, instance: Instance) -> None:
        self._instances.leave(instance)

    def passed(self, exchange: Exchange, instance: Instance, ending: Ending) -> None:
        """Leave it, now that its answer has been passed on piece by piece: how it did is known
        by the end. A caller that left says nothing of it."""
        self._instances.leave(instance)
        deployment, response = exchange.deployment, exchange.response
        if deployment is None or response is None or not _good(response.status):
            return
        if ending is Ending.ANSWERED:
            seconds = exchange.model_seconds
            self._instances.answered(deployment, instance, response.status, seconds)
        elif ending is Ending.BROKEN_OFF:
            self._instances.failed(deployment, instance)

    def in_flight(self, deployment: DeploymentRoute) -> tuple[int, int]:
        """Requests under way to a deployment's instances from this gateway, and how many
        instances those are."""
        return self._instances.in_flight(deployment)

    async def _ask_up(
        self, exchange: Exchange, deployment: DeploymentRoute, request: ScoringRequest
    ) -> tuple[ScoringResponse, Instance]:
        if self._instances.any(deployment) or not (deployment.may_sleep or deployment.proven):
            return await self._ask_awake(exchange, deployment, request)
        async with self._awakening.turn(exchange.call.endpoint, deployment):
            return await self._ask_awake(exchange, deployment, request)

    async def _ask_awake(
        self, exchange: Exchange, deployment: DeploymentRoute, request: ScoringRequest
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
                exchange.answered(response, started)
                if isinstance(response.body, bytes) or not _good(response.status):
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


def _good(status: int) -> bool:
    return 200 <= status < 300
