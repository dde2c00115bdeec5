"""Whether this host is up, and whether it can work: for probes, which have no credential. The
embedded host answers at these paths itself."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.usage.readiness import Readiness
from handlers.addresses import Handler
from handlers.http import Routes


def blueprint(routes: Routes, readiness: Readiness) -> func.Blueprint:
    bp = func.Blueprint()

    async def get_health(req: Request) -> Response:
        return _told(200, "Healthy")

    async def get_readiness(req: Request) -> Response:
        is_ready = await readiness.holds()
        return _told(200, "Ready") if is_ready else _told(503, "Not ready")

    def add(name: str, route: str, summary: str, handler: Handler) -> None:
        routes.register(bp, name, ["GET", "HEAD"], route, handler)
        routes.describe(name, "GET", route, summary, secured=False)

    add("get_health", "healthz", "Whether the host is up", get_health)
    add("get_readiness", "readyz", "Whether the host can work", get_readiness)
    return bp


def _told(status: int, text: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(text, status_code=status, headers=headers, media_type="text/plain")
