"""`mle role-assignment`, with verbs and flags of `az role assignment`."""

import argparse
import re
from typing import Any
from uuid import uuid4

from cli.commands.by_resource.identities.group_scope import group_id, group_of, resource_group
from cli.failures import CommandFailed, UsageFailed
from cli.kinds.types import Json
from cli.resources import YES
from cli.verbs import Group, Session, Verb, flag

_PROVIDER = "providers/Microsoft.Authorization"
_COLUMNS = ("principalId", "roleDefinitionName", "scope")
_ASSIGNEE = flag("--assignee", "--assignee-object-id", metavar="ID", help="its principal id")
_ROLE = flag("--role", help="a role's name, or its id")
_SCOPE = flag("--scope", metavar="ID", help="the ARM id that it is for (the workspace)")
_UNUSED = (
    flag("--assignee-principal-type", help=argparse.SUPPRESS),
    flag("--all", action="store_true", help=argparse.SUPPRESS),
    flag("--include-inherited", action="store_true", help=argparse.SUPPRESS),
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def create(flags: argparse.Namespace, session: Session) -> Any:
    if not flags.assignee or not flags.role:
        raise UsageFailed("--assignee and --role are needed: who is to have which role?")
    scope = _scope(flags, session)
    there = [each for each in _listed(session, scope, flags.assignee) if _is(each, flags.role)]
    for each in there:
        # As `az` has it: what is so already is told, and is no fault.
        if each["scope"].lower() == scope.lower():
            return each
    body = {
        "roleDefinitionId": f"{scope}/{_PROVIDER}/roleDefinitions/{flags.role}",
        "principalId": flags.assignee,
        "principalType": "ServicePrincipal",
    }
    where = f"{session.context.url}{scope}/{_PROVIDER}/roleAssignments/{flags.name or uuid4()}"
    session.arm.change("PUT", where, {"properties": body})
    return _shown(session.arm.get(where), _names(session))


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    scope = flags.scope.rstrip("/") if flags.scope else group_id(session)
    found = _listed(session, scope, flags.assignee)
    return [each for each in found if not flags.role or _is(each, flags.role)]


def remove(flags: argparse.Namespace, session: Session) -> None:
    ids = flags.ids or [each["id"] for each in list_all(flags, session)]
    if not flags.ids and not (flags.assignee or flags.role or flags.scope):
        raise UsageFailed("Which? --ids, or --assignee, --role and --scope, say so.")
    if not ids:
        raise CommandFailed("There is no such role assignment.")
    for id in ids:
        session.arm.change("DELETE", f"{session.context.url}{id}")


def _scope(flags: argparse.Namespace, session: Session) -> str:
    scope = (flags.scope or session.context.workspace).rstrip("/")
    if not scope.startswith("/subscriptions/"):
        raise UsageFailed(f"--scope {scope!r}: an ARM id belongs here, /subscriptions/….")
    return scope


def _listed(session: Session, scope: str, assignee: str | None) -> list[dict[str, Any]]:
    """Those for the scope and what is in it."""
    names = _names(session)
    found = session.arm.pages(f"{group_of(session)}/{_PROVIDER}/roleAssignments")
    shown = [_shown(rest, names) for rest in found]
    within = f"{scope}/".lower()
    return [
        each
        for each in shown
        if f"{each['scope']}/".lower().startswith(within)
        and assignee in (None, each["principalId"])
    ]


def _names(session: Session) -> dict[str, str]:
    """Of roles, by their ids."""
    found = session.arm.pages(f"{group_of(session)}/{_PROVIDER}/roleDefinitions")
    return {each["name"]: each["properties"]["roleName"] for each in found}


def _is(shown: dict[str, Any], role: str) -> bool:
    if _UUID.fullmatch(role.rpartition("/")[2]):
        return bool(shown["roleDefinitionId"].endswith(role.rpartition("/")[2].lower()))
    return bool(shown["roleDefinitionName"].lower() == role.lower())


def _shown(rest: Json, names: dict[str, str]) -> dict[str, Any]:
    properties = rest["properties"]
    role = properties["roleDefinitionId"].rpartition("/")[2]
    return {
        **{name: rest[name] for name in ("id", "name", "type")},
        **properties,
        "roleDefinitionName": names.get(role, role),
        "resourceGroup": resource_group(rest["id"]),
    }


GROUP = Group(
    "what identities may",
    {
        "create": Verb(
            create,
            "Give an identity a role.",
            (
                _ASSIGNEE,
                _ROLE,
                _SCOPE,
                flag("-n", "--name", metavar="UUID", help="the assignment's (one is made up)"),
                *_UNUSED,
            ),
            _COLUMNS,
        ),
        "list": Verb(
            list_all, "List who was given what.", (_ASSIGNEE, _ROLE, _SCOPE, *_UNUSED), _COLUMNS
        ),
        "delete": Verb(
            remove,
            "Take roles from identities.",
            (flag("--ids", nargs="+", metavar="ID"), _ASSIGNEE, _ROLE, _SCOPE, YES, *_UNUSED),
        ),
    },
)
