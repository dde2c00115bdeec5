"""Whether this host is up, and whether it can work: for probes, which have no credential. The
embedded host answers at these paths itself."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.usage.readiness import Readiness
from handlers.http import Routes


def blueprint(routes: Routes, readiness: Readiness) -> func.Blueprint:
    bp = func.Blueprint()

    async def get_health(req: Request) -> Response:
        return _told(200, "Healthy")

    async def get_readiness(req: Request) -> Response:
        is_ready = await readiness.holds()
        return _told(200, "Ready") if is_ready else _told(503, "Not ready")

    routes.register(bp, "get_health", ["GET", "HEAD"], "healthz", get_health)
    routes.register(bp, "get_readiness", ["GET", "HEAD"], "readyz", get_readiness)
    return bp


def _told(status: int, text: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(text, status_code=status, headers=headers, media_type="text/plain")
