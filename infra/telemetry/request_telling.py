"""Scoring requests of deployments with `appInsightsEnabled`, each told to where telemetry goes."""

import logging
from typing import Final

from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_exchange import Exchange

LOGGER: Final = "ml_endpoints.requests"
"""Its records go to telemetry alone: the host's log has no room for each request."""

_log = logging.getLogger(LOGGER)
_log.propagate = False
_log.setLevel(logging.INFO)


class RequestTelling(Tap):
    """A record for each, in its request's trace, with columns of AmlOnlineEndpointTrafficLog as its
    attributes. Where telemetry goes nowhere there is none, and it costs nothing."""

    def wants(self, route: Route) -> bool:
        return bool(_log.handlers) and any(each.is_told for each in route.deployments.values())

    def listen(self, exchange: Exchange) -> Listener | None:
        deployment = exchange.deployment
        return _tell if deployment is not None and deployment.is_told else None


def _tell(record: RequestRecord) -> None:
    level = logging.WARNING if record.fault is not None else logging.INFO
    _log.log(
        level,
        "%s %s of %s/%s: %d",
        *(record.method, record.path, record.endpoint, record.deployment, record.code),
        extra={
            "EndpointName": record.endpoint,
            "DeploymentName": record.deployment,
            "ResponseCode": record.code,
            "ResponseCodeReason": record.reason,
            "ModelStatusCode": record.model_status or 0,
            "ModelStatusReason": record.model_reason,
            "RequestPayloadSize": record.request_bytes,
            "ResponsePayloadSize": record.response_bytes,
            "UserAgent": record.user_agent,
            "XRequestId": record.request_id,
            "XMSClientRequestId": record.client_request_id,
            "TotalDurationMs": round(record.total_seconds * 1000, 3),
            "Caller": record.caller,
        },
    )
