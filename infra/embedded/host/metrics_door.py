"""`GET /metrics`: the host's figures for Prometheus, for callers that may read endpoints.

It takes a token as the control plane does, for it tells the names of all endpoints and how
busy they are; Prometheus fetches one itself with its `oauth2` settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import Login
from domain.errors import DomainError, Forbidden, Throttled, Unauthenticated, Unavailable
from domain.ground import access
from domain.ports import TokenVerifier
from infra.embedded.host.http_app import envelope
from infra.embedded.http.admission import admitted
from infra.telemetry.prometheus_text import CONTENT_TYPE

PATH = "/metrics"
ACTION = "onlineEndpoints/read"

_STATUSES = ((Unauthenticated, 401), (Forbidden, 403), (Throttled, 429), (Unavailable, 503))


class MetricsDoor:
    """`figures` give texts in Prometheus' format, which are shown one after the other."""

    def __init__(
        self, figures: Sequence[Callable[[], str]], verifier: TokenVerifier, door: CredentialDoor
    ) -> None:
        self._figures = figures
        self._verifier = verifier
        self._door = door

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
            if isinstance(error, Throttled):
                refusal.headers["retry-after"] = str(round(error.retry_after))
            if status == 401:
                refusal.headers["www-authenticate"] = "Bearer"
            return refusal
        text = "".join(told() for told in self._figures)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip() if scheme.casefold() == "bearer" else ""
        address = request.client.host if request.client else ""
        shown, login = token.encode(errors="replace"), Login(ACTION, "", address, 401)
        try:
            self._door.check(address, PATH, shown)
            if not token:
                told = f"{PATH} needs a token: send 'Authorization: Bearer <token>'."
                raise Unauthenticated(told)
            caller = await self._verifier.verify(token)
            login = replace(login, caller=caller.id, client=caller.name)
            admitted(request)
            access.require(caller, ACTION)
        except (Unauthenticated, Forbidden, Throttled) as error:
            status = next(s for kind, s in _STATUSES if isinstance(error, kind))
            refused = replace(login, code=status, error=error.code)
            self._door.refused(PATH, refused, credential=shown)
            raise
        self._door.taken(address, PATH, shown)
