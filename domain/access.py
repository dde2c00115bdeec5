"""Which role may do what: Azure's built-in roles over Azure ML's actions.

Actions are relative to `Microsoft.MachineLearningServices/workspaces/`; `*` matches any
run of characters, as in Azure role definitions.
"""

from fnmatch import fnmatchcase

from domain.errors import Forbidden
from domain.ports import Principal

ROLES: dict[str, tuple[str, ...]] = {
    "reader": ("read", "*/read"),
    "contributor": ("read", "*/read", "*/write", "*/delete", "*/action"),
    "owner": ("*",),
}


def allows(principal: Principal, action: str) -> bool:
    return any(
        fnmatchcase(action, pattern) for role in principal.roles for pattern in ROLES.get(role, ())
    )


def require(principal: Principal, action: str) -> None:
    """Raises Forbidden, saying which action and what would allow it."""
    if allows(principal, action):
        return
    able = ", ".join(role for role in ROLES if allows(Principal("", frozenset({role})), action))
    has = ", ".join(sorted(principal.roles)) or "none"
    raise Forbidden(
        f"'{principal.id}' may not do 'workspaces/{action}' (its roles: {has}). "
        f"Use a client with one of these roles: {able}."
    )
