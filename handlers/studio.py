"""The web portal's files, for anybody: what it shows it asks the API for, as who signs in to it."""

import asyncio

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.ports import Clients
from handlers.http import Routes
from studio.pages import HEADERS, NotBuilt, Pages

_ROUTE = "studio/{*path}"
_SETTINGS = "settings"
"""How one signs in, for the page."""


def blueprint(routes: Routes, clients: Clients, pages: Pages) -> func.Blueprint:
    bp = func.Blueprint()

    async def get_studio(req: Request) -> Response:
        name = req.path_params.get("path", "")
        if name == _SETTINGS:
            path = clients.token_path
            told = {"workspace": routes.scope.id, "signIn": "client", "tokenPath": path}
            return JSONResponse(told, headers=dict(HEADERS))
        try:
            file = await asyncio.to_thread(pages.found, name)
        except NotBuilt as error:
            fault = {"error": {"code": "StudioNotBuilt", "message": str(error)}}
            return JSONResponse(fault, status_code=404, headers=dict(HEADERS))
        return Response(file.content, headers={**HEADERS, "Content-Type": file.type})

    summary = "A page or a file of the web portal"
    routes.register(bp, "get_studio", "GET", _ROUTE, get_studio)
    routes.describe("get_studio", "GET", _ROUTE, summary, secured=False)
    return bp
