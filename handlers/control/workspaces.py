"""The one workspace, readable as ARM shows it."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.names import PROVIDER
from handlers.http import GROUP_ROUTE, SUBSCRIPTION_ROUTE, Routes, json_response

DISCOVERY = "discovery"


def blueprint(routes: Routes, location: str) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(bp, "GET", "", action="read", summary="Read the workspace")
    async def get_workspace(req: Request) -> Response:
        return json_response(render(routes, location))

    def add_list(base: str, name: str, summary: str) -> None:
        @routes.arm(
            bp,
            "GET",
            f"providers/{PROVIDER}/workspaces",
            base=base,
            name=name,
            action="read",
            summary=summary,
            lists=True,
        )
        async def list_workspaces(req: Request) -> Response:
            return routes.page(req, [render(routes, location)], None)

    add_list(SUBSCRIPTION_ROUTE, "list_workspaces", "List: the one workspace there is")
    add_list(GROUP_ROUTE, "list_group_workspaces", "List: the one workspace, of its resource group")

    async def get_discovery(req: Request) -> Response:
        # The SDK appends its own prefix to `api` where it lists a batch endpoint's jobs.
        return json_response({"api": routes.addresses.base_url})

    routes.register(bp, "get_discovery", "GET", DISCOVERY, get_discovery)
    routes.describe(
        "get_discovery", "GET", DISCOVERY, "Where the SDK finds this API", secured=False
    )
    return bp


def render(routes: Routes, location: str) -> dict[str, Any]:
    scope = routes.scope
    return {
        "id": scope.id,
        "name": scope.workspace,
        "type": f"{PROVIDER}/workspaces",
        "location": location,
        "tags": {},
        "kind": "Default",
        "properties": {
            "friendlyName": scope.workspace,
            "workspaceId": scope.workspace,
            "provisioningState": "Succeeded",
            "discoveryUrl": routes.absolute(f"/{DISCOVERY}"),
            "publicNetworkAccess": "Enabled",
        },
    }
