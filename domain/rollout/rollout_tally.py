"""What gateways count of a rollout's step: requests, failures and latencies of each
deployment that the rollout guards, as far as the split brought them there."""

from domain.ground.latency_histogram import band
from domain.ground.stored_sums import StoredSums, Subject
from domain.online.online_endpoint import partition
from domain.scoring.online_routing import DeploymentRoute, Route
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


def tallied(
    sums: StoredSums, route: Route, deployment: DeploymentRoute, exchange: Exchange
) -> None:
    """See to it that the request is counted when it is over, under the step by which it was
    routed. What its caller broke off or made too large says nothing of the deployment."""
    if deployment.name.casefold() not in route.tallied:
        return
    counted = subject(route.endpoint, route.tally, deployment.name)

    def ended(exchange: Exchange, code: int) -> None:
        if code == CALLER_GONE or exchange.refusal in _NOT_ITS_FAULT:
            return
        amounts = {
            "requests": 1,
            "errors": int(code >= 400),
            "latency": {band(exchange.seconds): 1},
        }
        sums.add(counted, amounts)

    exchange.ended.append(ended)
