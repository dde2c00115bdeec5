"""The web portal's files, for anybody: what it shows it asks the API for, as who signs in to it."""

import asyncio

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.application import StudioAccess
from domain.ports import Clients
from handlers.http import Routes
from handlers.studio.studio_links import REDEEM, StudioLinks, by_link
from handlers.studio.studio_sessions import BACK, BEGIN, SESSION, StudioSessions
from studio.pages import HEADERS, NotBuilt, Pages

_ROUTE = "studio/{*path}"
_SETTINGS = "settings"
"""How one signs in, for the page."""


def blueprint(
    routes: Routes, clients: Clients, access: StudioAccess, pages: Pages
) -> func.Blueprint:
    sessions = StudioSessions(routes.addresses, access.sign_ins, access.cipher)
    links = StudioLinks(routes.addresses, access.links, routes.admission)
    bp = func.Blueprint()
    acts = {BEGIN: sessions.begin, BACK: sessions.back}

    async def get_studio(req: Request) -> Response:
        name = req.path_params.get("path", "")
        if name == _SETTINGS:
            told = {
                "workspace": routes.scope.id,
                "signIn": "issuer" if sessions.link else "client",
                "signInLink": sessions.link,
                "tokenPath": clients.token_path,
            }
            return JSONResponse(told, headers=dict(HEADERS))
        if name in acts and sessions.link:
            return await acts[name](req)
        try:
            file = await asyncio.to_thread(pages.found, name)
        except NotBuilt as error:
            fault = {"error": {"code": "StudioNotBuilt", "message": str(error)}}
            return JSONResponse(fault, status_code=404, headers=dict(HEADERS))
        return Response(file.content, headers={**HEADERS, "Content-Type": file.type})

    async def change_studio_session(req: Request) -> Response:
        name = req.path_params.get("path", "")
        if name == REDEEM and links.offered and req.method == "POST":
            return await links.redeem(req)
        if name == SESSION and links.offered and by_link(req):
            return await (links.end(req) if req.method == "DELETE" else links.token(req))
        if name == SESSION and sessions.link:
            return await (sessions.end(req) if req.method == "DELETE" else sessions.token(req))
        fault = {"error": {"code": "NotFound", "message": "There is nothing of that name."}}
        return JSONResponse(fault, status_code=404, headers=dict(HEADERS))

    changes = "change_studio_session"
    routes.register(bp, changes, ["POST", "DELETE"], _ROUTE, change_studio_session)
    session = "A token for the studio's own page, by its session or an owner's link; DELETE ends it"
    routes.describe(changes, "POST", _ROUTE, session, secured=False)
    summary = "A page or a file of the web portal"
    routes.register(bp, "get_studio", "GET", _ROUTE, get_studio)
    routes.describe("get_studio", "GET", _ROUTE, summary, secured=False)
    return bp
