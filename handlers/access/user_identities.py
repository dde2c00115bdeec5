"""User-assigned identities on the control plane, where Azure has them: in the resource group."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground.resource import Conditions, Wanted
from domain.identities.identity_store import StoredIdentity
from domain.identities.managed_identity import TENANT, USER_ASSIGNED, ManagedIdentity
from domain.identities.user_identities import UserIdentities, UserIdentityProperties
from handlers import wire
from handlers.control.merging import as_it_is, merged
from handlers.http import GROUP_ROUTE, Routes, caller, conditions, json_response, paging

PROVIDER = "Microsoft.ManagedIdentity"
PATH = f"providers/{PROVIDER}/{USER_ASSIGNED}"
_ITEM = f"{PATH}/{{name}}"
_BODY = Wanted[UserIdentityProperties]

ARM_FIELDS: wire.ArmFields = {
    UserIdentityProperties: wire.OtherFields(
        read_only=("principalId", "clientId", "tenantId", "isolationScope")
    ),
}


def blueprint(routes: Routes, users: UserIdentities) -> func.Blueprint:
    bp = func.Blueprint()
    _add_changes(routes, bp, users)
    _add_reading(routes, bp, users)
    return bp


def _add_changes(routes: Routes, bp: func.Blueprint, users: UserIdentities) -> None:
    @routes.arm(
        bp,
        "PUT",
        _ITEM,
        base=GROUP_ROUTE,
        action=f"{USER_ASSIGNED}/write",
        summary="Make a user-assigned identity, or change its tags",
        body=_BODY,
        statuses=(200, 201),
    )
    async def put_user_identity(req: Request) -> Response:
        body = await wire.read_json(req, may_lack=True)
        # What Azure's clients send has no properties: there are none to ask for.
        given = {"properties": {}, **body} if isinstance(body, dict) else body
        wanted = wire.parse(_BODY, given, ARM_FIELDS)
        name = req.path_params["name"]
        stored, new = await users.put(name, wanted, caller(req).id, conditions(req))
        return _answer(users, stored, status=201 if new else 200)

    @routes.arm(
        bp,
        "PATCH",
        _ITEM,
        base=GROUP_ROUTE,
        action=f"{USER_ASSIGNED}/write",
        summary="Change a user-assigned identity's tags by JSON merge patch",
        body=_BODY,
    )
    async def patch_user_identity(req: Request) -> Response:
        name = req.path_params["name"]

        async def read() -> tuple[Wanted[UserIdentityProperties], str]:
            found = await users.get(name)
            tags = found.identity.tags
            return _BODY(tags=tags, properties=UserIdentityProperties()), found.etag

        async def replace(
            wanted: Wanted[UserIdentityProperties], when: Conditions
        ) -> StoredIdentity:
            return (await users.put(name, wanted, caller(req).id, when))[0]

        return _answer(users, await merged(req, _BODY, ARM_FIELDS, read, replace, as_it_is))

    @routes.arm(
        bp,
        "DELETE",
        _ITEM,
        base=GROUP_ROUTE,
        action=f"{USER_ASSIGNED}/delete",
        summary="Remove a user-assigned identity and its roles; its tokens end",
        statuses=(200, 204),
    )
    async def delete_user_identity(req: Request) -> Response:
        gone = await users.delete(req.path_params["name"], conditions(req))
        return Response(status_code=200 if gone else 204)


def _add_reading(routes: Routes, bp: func.Blueprint, users: UserIdentities) -> None:
    @routes.arm(
        bp,
        "GET",
        _ITEM,
        base=GROUP_ROUTE,
        action=f"{USER_ASSIGNED}/read",
        summary="Read a user-assigned identity",
    )
    async def get_user_identity(req: Request) -> Response:
        return _answer(users, await users.get(req.path_params["name"]))

    @routes.arm(
        bp,
        "GET",
        PATH,
        base=GROUP_ROUTE,
        action=f"{USER_ASSIGNED}/read",
        summary="List: userAssignedIdentities",
        lists=True,
    )
    async def list_user_identities(req: Request) -> Response:
        asked = paging(req)
        found, more = await users.list(asked.top, asked.continuation)
        return routes.page(req, [_rendered(users, each.identity) for each in found], more)


def _answer(users: UserIdentities, stored: StoredIdentity, *, status: int = 200) -> Response:
    body = _rendered(users, stored.identity)
    return json_response(body, status=status, headers={"ETag": stored.etag})


def _rendered(users: UserIdentities, identity: ManagedIdentity) -> dict[str, Any]:
    return {
        "id": users.arm_id(identity.name),
        "name": identity.name,
        "type": f"{PROVIDER}/{USER_ASSIGNED}",
        "location": identity.location,
        "tags": identity.tags,
        "properties": {
            "tenantId": TENANT,
            "principalId": identity.principal_id,
            "clientId": identity.client_id,
        },
        "systemData": {
            "createdAt": identity.created_at.isoformat(),
            "createdBy": identity.created_by,
            "createdByType": "Application",
        },
    }
