"""Links that sign a client in to the studio once, for owners alone."""

from datetime import datetime
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.identities.sign_in_link import LinkProperties, LinkState, SignInLink
from domain.identities.sign_in_links import SignInLinks
from domain.names import PROVIDER
from domain.values import Value
from handlers import wire
from handlers.answers.access import SignInLinkAnswer
from handlers.http import Routes, caller, json_response, paging

PATH = "clients/{name}/signInLinks"


class SignInLinkBody(Value):
    properties: LinkProperties = LinkProperties()


def blueprint(routes: Routes, links: SignInLinks) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "POST",
        "clients/{name}/createSignInLink",
        action="clients/createSignInLink/action",
        summary="Make a link that signs a browser in to the studio as this client, once; it is "
        "told this once",
        body=SignInLinkBody,
        statuses=(201,),
        answer=SignInLinkAnswer,
        may_lack_body=True,
    )
    async def create_sign_in_link(req: Request) -> Response:
        asked = await wire.read(req, SignInLinkBody, may_lack=True)
        made = await links.make(req.path_params["name"], asked.properties, caller(req).id)
        body = _rendered(routes, made.link, LinkState.OPEN)
        # A fragment: no server is sent it, no log and no Referer has it.
        body["properties"]["link"] = f"{routes.absolute('/studio')}#link={made.code}"
        return json_response(body, status=201)

    @routes.arm(
        bp,
        "GET",
        PATH,
        action="clients/read",
        summary="List: links of a client, and the sessions that they became",
        lists=True,
        answer=SignInLinkAnswer,
    )
    async def list_sign_in_links(req: Request) -> Response:
        paging(req)
        found = await links.list(req.path_params["name"])
        return routes.page(req, [_rendered(routes, each.link, each.state) for each in found], None)

    @routes.arm(
        bp,
        "DELETE",
        f"{PATH}/{{link}}",
        action="clients/signInLinks/delete",
        summary="Revoke a link; a session that it became ends within five minutes",
        statuses=(200, 204),
    )
    async def delete_sign_in_link(req: Request) -> Response:
        gone = await links.revoke(req.path_params["name"], req.path_params["link"])
        return Response(status_code=200 if gone else 204)

    return bp


def _rendered(routes: Routes, link: SignInLink, state: LinkState) -> dict[str, Any]:
    return {
        "id": routes.scope.path("clients", link.client, "signInLinks", link.id),
        "name": link.id,
        "type": f"{PROVIDER}/workspaces/clients/signInLinks",
        "properties": {
            "state": state.value,
            "expiresAt": link.expires_at.isoformat(),
            "usedAt": _told(link.used_at),
            "usedFrom": link.used_from or None,
            "endsAt": _told(link.ends_at),
        },
        "systemData": {"createdAt": link.created_at.isoformat(), "createdBy": link.created_by},
    }


def _told(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
