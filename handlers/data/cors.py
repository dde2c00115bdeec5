"""Cross-origin requests (the Fetch standard's CORS protocol) at the scoring URI.

Once origins are set, the gateway speaks for every model: it answers preflights itself, and
what a model says in `access-control-*` headers is left out. Without any, nothing is touched.
"""

from collections.abc import Sequence

from azurefunctions.extensions.http.fastapi import Request, Response

from domain.scoring.scoring_headers import (
    CLIENT_REQUEST_ID,
    DEPLOYMENT,
    LEGACY_REQUEST_ID,
    MODEL_REASON,
    MODEL_STATUS,
    MODEL_TIME,
    REQUEST_ID,
)

PREFLIGHT_KEPT = 600
"""Seconds for which a browser may remember a preflight's answer."""

_EXPOSED = ", ".join(
    (
        DEPLOYMENT,
        REQUEST_ID,
        LEGACY_REQUEST_ID,
        CLIENT_REQUEST_ID,
        MODEL_STATUS,
        MODEL_REASON,
        MODEL_TIME,
        "retry-after",
    )
)


class Cors:
    """`origins` as browsers send them (`https://app.example`); `*` is every origin.
    Credentials in the sense of cookies are never allowed: a key in a header is none."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._every = "*" in origins
        self._origins = {origin.rstrip("/").lower() for origin in origins}

    def __bool__(self) -> bool:
        return bool(self._origins)

    def preflight(self, request: Request, methods: Sequence[str]) -> Response | None:
        """The answer to a preflight; None for a request that is none. An origin that is not
        allowed gets no permission, which is how a browser is told no."""
        headers = request.headers
        if request.method != "OPTIONS" or not self:
            return None
        if "origin" not in headers or "access-control-request-method" not in headers:
            return None
        response = Response(status_code=204)
        response.headers["vary"] = (
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        )
        if self._allows(headers["origin"]):
            response.headers["access-control-allow-origin"] = self._told(headers["origin"])
            response.headers["access-control-allow-methods"] = ", ".join(methods)
            response.headers["access-control-max-age"] = str(PREFLIGHT_KEPT)
            asked = headers.get("access-control-request-headers")
            if asked:
                response.headers["access-control-allow-headers"] = asked
        return response

    def permit(self, request: Request, response: Response) -> None:
        """Let the page that asked read the answer, if its origin is allowed."""
        if not self:
            return
        raw = [h for h in response.raw_headers if not h[0].startswith(b"access-control-")]
        origin = request.headers.get("origin")
        if not self._every:
            raw.append((b"vary", b"Origin"))
        if origin is not None and self._allows(origin):
            raw.append((b"access-control-allow-origin", self._told(origin).encode("latin-1")))
            raw.append((b"access-control-expose-headers", _EXPOSED.encode()))
        response.raw_headers = raw

    def _allows(self, origin: str) -> bool:
        return self._every or origin.lower() in self._origins

    def _told(self, origin: str) -> str:
        return "*" if self._every else origin
