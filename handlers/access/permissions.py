"""What the caller may do with a resource, as ARM tells it."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground import access
from domain.names import PROVIDER
from handlers.answers.access import PermissionsAnswer
from handlers.http import Routes, anywhere, caller, json_response

_AT = "providers/Microsoft.Authorization/permissions"
_ACTIONS = f"{PROVIDER}/workspaces/"
_RESOURCES = {
    "workspace": "",
    "online_endpoint": "onlineEndpoints/{endpoint}",
    "online_deployment": "onlineEndpoints/{endpoint}/deployments/{deployment}",
    "batch_endpoint": "batchEndpoints/{endpoint}",
    "batch_deployment": "batchEndpoints/{endpoint}/deployments/{deployment}",
    "job": "jobs/{name}",
    "model": "models/{name}",
    "environment": "environments/{name}",
    "code": "codes/{name}",
    "data": "data/{name}",
    "datastore": "datastores/{name}",
    "compute": "computes/{name}",
    "schedule": "schedules/{name}",
}


def blueprint(routes: Routes) -> func.Blueprint:
    bp = func.Blueprint()
    for noun, path in _RESOURCES.items():
        _add(routes, bp, noun, path)
    return bp


def _add(routes: Routes, bp: func.Blueprint, noun: str, path: str) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{path}/{_AT}" if path else _AT,
        action="permissions/read",
        at=anywhere,
        summary=f"What the caller may do with {'a' if path else 'the'} {noun.replace('_', ' ')}",
        name=f"list_{noun}_permissions",
        answer=PermissionsAnswer,
    )
    async def list_permissions(req: Request) -> Response:
        # Of whatever may have that name: who may not read it does not learn whether it is there.
        at = path.format(**req.path_params)
        collection = at.partition("/")[0]
        known = {each.action for each in routes.described if each.action}
        return json_response(
            {
                "value": [
                    _permission(*patterns) for patterns in access.permissions(caller(req), at)
                ],
                "allowedActions": sorted(
                    f"{_ACTIONS}{action}"
                    for action in known
                    if (not collection or action.startswith(f"{collection}/"))
                    and access.allows(caller(req), action, at)
                ),
            }
        )


def _permission(actions: tuple[str, ...], without: tuple[str, ...]) -> dict[str, Any]:
    return {
        "actions": [f"{_ACTIONS}{each}" for each in actions],
        "notActions": [f"{_ACTIONS}{each}" for each in without],
        "dataActions": [],
        "notDataActions": [],
    }
