"""What gateways count of a rollout's step: requests, failures and latencies of each
deployment that the rollout guards, as far as the split brought them there."""

from functools import partial

from domain.ground.stored_sums import StoredSums, Subject
from domain.online.online_endpoint import partition
from domain.online.traffic.latency_histogram import band
from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_exchange import Exchange
from domain.scoring.scoring_refusals import CALLER_GONE

KIND = "rolloutTally"
TTL = 7 * 86400

_NOT_ITS_FAULT = frozenset({"RequestEntityTooLarge", "RequestBodyTimeout"})


def subject(endpoint: str, tally: str, deployment: str) -> Subject:
    return Subject(
        partition(endpoint),
        f"rollout:{tally}:{deployment.casefold()}",
        KIND,
        TTL,
        {"deployment": deployment},
    )


class RolloutTally(Tap):
    """Counts each request to a guarded deployment when it is over, under the step by which it
    was routed. What its caller broke off or made too large says nothing of the deployment."""

    def __init__(self, sums: StoredSums) -> None:
        self._sums = sums

    def wants(self, route: Route) -> bool:
        return bool(route.tally)

    def listen(self, exchange: Exchange) -> Listener | None:
        route, deployment = exchange.route, exchange.deployment
        if route is None or deployment is None or not exchange.by_split:
            return None
        if deployment.name.casefold() not in route.tallied:
            return None
        return partial(self._count, subject(route.endpoint, route.tally, deployment.name))

    def _count(self, subject: Subject, record: RequestRecord) -> None:
        if record.code == CALLER_GONE or record.reason in _NOT_ITS_FAULT:
            return
        amounts = {
            "requests": 1,
            "errors": int(record.code >= 400),
            "latency": {band(record.model_seconds or record.total_seconds): 1},
        }
        self._sums.add(subject, amounts)
