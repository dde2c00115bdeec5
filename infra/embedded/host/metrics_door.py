"""`GET /metrics`: the host's figures for Prometheus, for callers that may read endpoints.

It takes a token as the control plane does, for it tells the names of all endpoints and how
busy they are; Prometheus fetches one itself with its `oauth2` settings.
"""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from domain.errors import DomainError, Forbidden, Unauthenticated, Unavailable
from domain.ground import access
from domain.ports import TokenVerifier
from infra.embedded.host.http_app import envelope
from infra.embedded.http.admission import admitted
from infra.telemetry.prometheus_text import CONTENT_TYPE

PATH = "/metrics"
ACTION = "onlineEndpoints/read"

_STATUSES = ((Unauthenticated, 401), (Forbidden, 403), (Unavailable, 503))


class MetricsDoor:
    """`figures` give texts in Prometheus' format, which are shown one after the other."""

    def __init__(self, figures: Sequence[Callable[[], str]], verifier: TokenVerifier) -> None:
        self._figures = figures
        self._verifier = verifier

    async def __call__(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            refusal = envelope(405, "MethodNotAllowed", f"{PATH} is read by GET.")
            refusal.headers["allow"] = "GET, HEAD"
            return refusal
        try:
            await self._admit(request)
        except DomainError as error:
            status = next((s for kind, s in _STATUSES if isinstance(error, kind)), 500)
            refusal = envelope(status, error.code, error.message)
            if status == 401:
                refusal.headers["www-authenticate"] = "Bearer"
            return refusal
        text = "".join(told() for told in self._figures)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token:
            raise Unauthenticated(f"{PATH} needs a token: send 'Authorization: Bearer <token>'.")
        caller = await self._verifier.verify(token.strip())
        admitted(request)
        access.require(caller, ACTION)
