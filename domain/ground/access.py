"""How callers say who they are, and which role may do what: Azure's built-in roles over Azure
ML's actions.

Actions are relative to `Microsoft.MachineLearningServices/workspaces/`; `*` matches any
run of characters, as in Azure role definitions. A role may be given for a part of the
workspace only: `scorer/onlineEndpoints/iris` is `scorer` at that path and below.
"""

import re
from enum import StrEnum
from fnmatch import fnmatchcase

from domain.errors import Forbidden
from domain.ports import Principal

ROLES: dict[str, tuple[str, ...]] = {
    "reader": ("read", "*/read"),
    "contributor": ("read", "*/read", "*/write", "*/delete", "*/action"),
    "owner": ("*",),
    "scorer": ("onlineEndpoints/score/action", "onlineEndpoints/token/action"),
    "blobReader": ("blobs/read",),
    "blobContributor": ("blobs/read", "blobs/write", "blobs/delete"),
}
_WITHOUT: dict[str, tuple[str, ...]] = {
    "reader": ("clients/*", "blobs/*"),
    "contributor": (
        *("clients/*", "connections/write", "connections/delete"),
        *("roleAssignments/write", "roleAssignments/delete", "blobs/*"),
    ),
}
"""What a role does not hold although its patterns match: whoever makes clients can be anyone."""

_SCOPE = re.compile(r"(/[A-Za-z0-9_.-]{1,128}){1,8}")


class AuthMode(StrEnum):
    """Of an endpoint: what it takes from its callers."""

    KEY = "Key"
    AML_TOKEN = "AMLToken"
    AAD_TOKEN = "AADToken"

    @classmethod
    def _missing_(cls, value: object) -> "AuthMode | None":
        """The YAML spellings (`key`, `aml_token`) and any case."""
        text = str(value).casefold().replace("_", "")
        return next((mode for mode in cls if mode.value.casefold() == text), None)


def allows(principal: Principal, action: str, scope: str = "") -> bool:
    """Whether a role lets the caller do `action` at `scope`, a path below the workspace."""
    return any(
        fnmatchcase(action, pattern)
        for given in principal.roles
        if (role := _role_at(given, scope)) in ROLES
        and not any(fnmatchcase(action, pattern) for pattern in _WITHOUT.get(role, ()))
        for pattern in ROLES[role]
    )


def permissions(
    principal: Principal, scope: str = ""
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Of each role that the caller has at `scope`: what its patterns are, and what it does not hold
    of what they match."""
    roles = {role for given in principal.roles if (role := _role_at(given, scope)) in ROLES}
    return [(ROLES[role], _WITHOUT.get(role, ())) for role in ROLES if role in roles]


def roles_of(text: str) -> list[str]:
    """Of somebody who has one, or several with commas between."""
    return [role.strip() for role in text.split(",")]


def role_fault(text: str) -> str | None:
    """Why `text` is no role, nor several with commas between; None if it is."""
    return next((fault for role in roles_of(text) if (fault := _role_fault(role))), None)


def _role_fault(role: str) -> str | None:
    name, slash, at = role.partition("/")
    if name not in ROLES:
        return f"`{role}` is no role; there are {', '.join(ROLES)}"
    if slash and not _SCOPE.fullmatch(slash + at):
        return f"`{role}`: after the role comes a path such as onlineEndpoints/iris"
    return None


def _role_at(role: str, scope: str) -> str:
    """The bare role that `role` is at `scope`; '' for none."""
    name, slash, at = role.partition("/")
    if slash and not f"{scope}/".casefold().startswith(f"{at}/".casefold()):
        return ""
    return name


def trusted(id: str) -> Principal:
    """What this software does by itself: whoever had it do so was asked for his rights then."""
    return Principal(id, frozenset({"owner"}))


def told_roles(principal: Principal) -> str:
    return ", ".join(sorted(principal.roles)) or "none"


def require(principal: Principal, action: str, scope: str = "") -> None:
    """Raises Forbidden, saying which action and what would allow it."""
    if allows(principal, action, scope):
        return
    able = ", ".join(role for role in ROLES if allows(Principal("", frozenset({role})), action))
    raise Forbidden(
        f"'{principal.id}' may not do 'workspaces/{action}' (its roles: {told_roles(principal)}). "
        f"Use a client with one of these roles: {able}."
    )
