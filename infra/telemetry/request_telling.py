"""Scoring requests of deployments with `appInsightsEnabled`, each told to where telemetry goes."""

import logging
from typing import Final

from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_exchange import Exchange
from infra.telemetry.traffic_columns import traffic_columns

LOGGER: Final = "ml_endpoints.requests"
"""Its records go to telemetry alone: the host's log has no room for each request."""
WORKSPACE: Final = "AzureMLWorkspaceId"

_log = logging.getLogger(LOGGER)
_log.propagate = False
_log.setLevel(logging.INFO)


class RequestTelling(Tap):
    """A record for each, in its request's trace, with columns of AmlOnlineEndpointTrafficLog as its
    attributes; `workspace_id`, the full ARM id, is one of them. Where telemetry goes nowhere there
    is none, and it costs nothing."""

    def __init__(self, workspace_id: str) -> None:
        self._same = {WORKSPACE: workspace_id}

    def wants(self, route: Route) -> bool:
        return bool(_log.handlers) and any(each.is_told for each in route.deployments.values())

    def listen(self, exchange: Exchange) -> Listener | None:
        deployment = exchange.deployment
        return self._tell if deployment is not None and deployment.is_told else None

    def _tell(self, record: RequestRecord) -> None:
        level = logging.WARNING if record.fault is not None else logging.INFO
        columns = traffic_columns(record, self._same)
        _log.log(
            level,
            "%s %s of %s/%s: %d",
            *(record.method, record.path, record.endpoint, record.deployment, record.code),
            extra={name: value for name, value in columns.items() if value is not None},
        )
