"""Roles of identities, in Azure's shape: at the resource that they are given for."""

import re
from typing import Annotated, Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from pydantic import Field

from domain.errors import Invalid
from domain.identities.role_assignments import RoleAssignment, RoleAssignments
from domain.identities.role_definitions import DEFINITIONS, PROVIDER, RoleDefinition
from domain.values import Value
from handlers import wire
from handlers.http import (
    GROUP_ROUTE,
    WORKSPACE_ROUTE,
    Routes,
    caller,
    json_response,
    paging,
)

PATH = f"providers/{PROVIDER}/roleAssignments"
_DEFINITIONS = f"providers/{PROVIDER}/roleDefinitions"
_ITEM = f"{PATH}/{{name}}"
_ACCOUNT = f"{GROUP_ROUTE}/providers/Microsoft.Storage/storageAccounts/{{account}}"
_AROUND = {"workspace": WORKSPACE_ROUTE, "group": GROUP_ROUTE}
_SCOPES = {
    **_AROUND,
    "resource": f"{WORKSPACE_ROUTE}/{{collection}}/{{item}}",
    "account": _ACCOUNT,
    "container": f"{_ACCOUNT}/blobServices/default/containers/{{container}}",
}
"""What a role may be given for, by what that is called in functions' names."""

_TERM = re.compile(
    r"atScope\(\)|(?:principalId eq|assignedTo\() ?'(?P<id>[^']{1,64})'\)?", re.IGNORECASE
)
_BY_NAME = re.compile(r"roleName eq '(?P<name>[^']{1,128})'", re.IGNORECASE)
_FILTER: dict[str, Any] = {"$filter": {"type": "string"}}


class RoleAssignmentProperties(Value):
    """`role_definition_id` is an ARM id, a role's own id or its name."""

    role_definition_id: Annotated[str, Field(min_length=1, max_length=500)]
    principal_id: Annotated[str, Field(min_length=1, max_length=64)]
    principal_type: str | None = None
    description: Annotated[str | None, Field(max_length=1024)] = None


class RoleAssignmentBody(Value):
    properties: RoleAssignmentProperties


ARM_FIELDS: wire.ArmFields = {
    RoleAssignmentBody: wire.OtherFields(read_only=("id", "name", "type")),
    RoleAssignmentProperties: wire.OtherFields(
        read_only=("scope", "createdOn", "createdBy", "updatedOn", "updatedBy"),
        refused={
            "condition": "A role is given whole: nothing would look at a condition.",
            "conditionVersion": "A role is given whole: nothing would look at a condition.",
            "delegatedManagedIdentityResourceId": "There is one directory here.",
        },
    ),
}


def blueprint(routes: Routes, assignments: RoleAssignments) -> func.Blueprint:
    bp = func.Blueprint()
    for of, base in _SCOPES.items():
        _add_changes(routes, bp, assignments, of, base)
    for of, base in _AROUND.items():
        _add_lists(routes, bp, assignments, of, base)
    return bp


def _add_changes(
    routes: Routes, bp: func.Blueprint, assignments: RoleAssignments, of: str, base: str
) -> None:
    @routes.arm(
        bp,
        "PUT",
        _ITEM,
        base=base,
        name=f"put_role_assignment_of_{of}",
        action="roleAssignments/write",
        summary="Give an identity a role",
        body=RoleAssignmentBody,
        statuses=(200, 201),
    )
    async def put(req: Request) -> Response:
        asked = (await wire.read(req, RoleAssignmentBody, ARM_FIELDS)).properties
        given, new = await assignments.put(
            _scope(req),
            req.path_params["name"],
            principal=asked.principal_id,
            role=asked.role_definition_id,
            description=asked.description,
            caller=caller(req).id,
        )
        return json_response(_rendered(routes, given), status=201 if new else 200)

    @routes.arm(
        bp,
        "GET",
        _ITEM,
        base=base,
        name=f"get_role_assignment_of_{of}",
        action="roleAssignments/read",
        summary="Read which role an identity was given",
    )
    async def get(req: Request) -> Response:
        found = await assignments.get(_scope(req), req.path_params["name"])
        return json_response(_rendered(routes, found))

    @routes.arm(
        bp,
        "DELETE",
        _ITEM,
        base=base,
        name=f"delete_role_assignment_of_{of}",
        action="roleAssignments/delete",
        summary="Take a role from an identity",
        statuses=(200, 204),
    )
    async def delete(req: Request) -> Response:
        gone = await assignments.delete(_scope(req), req.path_params["name"])
        return json_response(_rendered(routes, gone)) if gone else Response(status_code=204)


def _add_lists(
    routes: Routes, bp: func.Blueprint, assignments: RoleAssignments, of: str, base: str
) -> None:
    @routes.arm(
        bp,
        "GET",
        PATH,
        base=base,
        name=f"list_role_assignments_of_{of}",
        action="roleAssignments/read",
        summary="List: roles that identities were given, for this and what is in it",
        lists=True,
        query=_FILTER,
    )
    async def list_assignments(req: Request) -> Response:
        paging(req)
        found = await assignments.list(_scope(req), _principal(req))
        return routes.page(req, [_rendered(routes, each) for each in found], None)

    @routes.arm(
        bp,
        "GET",
        _DEFINITIONS,
        base=base,
        name=f"list_role_definitions_of_{of}",
        action="roleAssignments/read",
        summary="List: the roles that can be given to identities",
        lists=True,
        query=_FILTER,
    )
    async def list_definitions(req: Request) -> Response:
        paging(req)
        asked = _BY_NAME.fullmatch(req.query_params.get("$filter", "").strip())
        wanted = asked["name"].casefold() if asked else None
        found = [each for each in DEFINITIONS if wanted in (None, each.name.casefold())]
        return routes.page(req, [_definition(routes, each) for each in found], None)


def _scope(request: Request) -> str:
    """What the path names before what is said about it."""
    path: str = request.url.path
    at = path.casefold().index(f"/providers/{PROVIDER}/".casefold())
    return path[:at]


def _principal(request: Request) -> str | None:
    """Whose are asked for; None for everybody's. Raises Invalid."""
    asked = request.query_params.get("$filter", "").strip()
    whose = None
    for term in asked.split(" and ") if asked else []:
        found = _TERM.fullmatch(term.strip())
        if found is None:
            raise Invalid(
                f"'{term[:80]}' is not understood: $filter is atScope(), principalId eq 'ID' or "
                "assignedTo('ID').",
                target="$filter",
            )
        whose = found["id"] or whose
    return whose


def _rendered(routes: Routes, assignment: RoleAssignment) -> dict[str, Any]:
    grant = assignment.grant
    at = grant.created_at.isoformat()
    return {
        "id": f"{grant.scope}/{PATH}/{grant.name}",
        "name": grant.name,
        "type": f"{PROVIDER}/roleAssignments",
        "properties": {
            "roleDefinitionId": _definition_id(routes, grant.definition),
            "principalId": assignment.identity.principal_id,
            "principalType": "ServicePrincipal",
            "scope": grant.scope,
            "description": grant.description,
            "condition": None,
            "createdOn": at,
            "createdBy": grant.created_by,
            "updatedOn": at,
            "updatedBy": grant.created_by,
        },
    }


def _definition(routes: Routes, of: RoleDefinition) -> dict[str, Any]:
    return {
        "id": _definition_id(routes, of.id),
        "name": of.id,
        "type": f"{PROVIDER}/roleDefinitions",
        "properties": {
            "roleName": of.name,
            "type": "BuiltInRole",
            "description": of.description,
            "assignableScopes": ["/"],
            "permissions": [],
        },
    }


def _definition_id(routes: Routes, id: str) -> str:
    return f"/subscriptions/{routes.scope.subscription}/{_DEFINITIONS}/{id}"
