"""What gateways count of a rollout's step: requests, failures, refusals and latencies of each
deployment that has traffic in it, as far as the split brought them there."""

from functools import partial

from domain.ground.stored_sums import StoredSums, Subject
from domain.online.online_endpoint import partition
from domain.online.traffic.latency_histogram import band
from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Ending, Fault, Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_exchange import Exchange

KIND = "rolloutTally"
TTL = 7 * 86400


def subject(endpoint: str, tally: str, deployment: str) -> Subject:
    return Subject(
        partition(endpoint),
        f"rollout:{tally}:{deployment.casefold()}",
        KIND,
        TTL,
        {"deployment": deployment},
    )


class RolloutTally(Tap):
    """Counts each request when it is over, under the step by which it was routed: as an error
    where the deployment is at fault, as a refusal where the model itself refused what its
    caller sent. What else a caller or the gateway is at fault for says nothing of either."""

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
        fault = record.fault
        refused = fault is Fault.CALLER and record.ending is Ending.ANSWERED
        if not refused and fault not in (None, Fault.DEPLOYMENT):
            return
        amounts = {
            "requests": 1,
            "errors": int(fault is Fault.DEPLOYMENT),
            "refused": int(refused),
            "latency": {band(record.model_seconds or record.total_seconds): 1},
        }
        self._sums.add(subject, amounts)
