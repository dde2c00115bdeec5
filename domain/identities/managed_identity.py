"""Who a deployment's scripts are to whatever they ask: a principal of the installation's own
issuer, with the roles that it was given."""

from datetime import datetime
from typing import Final

from domain.ground.resource import Tags
from domain.names import WorkspaceScope
from domain.values import Value

PARTITION: Final = "identities"
KIND: Final = "managedIdentity"
USER_ASSIGNED: Final = "userAssignedIdentities"
TENANT: Final = "00000000-0000-0000-0000-000000000000"
"""There is one directory here, and it needs no name."""

_MARK: Final = "identity:"


class RoleGrant(Value):
    """A role that was given to an identity: `name` is the assignment's own, `definition` the role's
    id, `scope` the ARM id that it is for, as its giver wrote it. `role` is what that comes to here
    (domain/ground/access.py)."""

    name: str
    definition: str
    scope: str
    role: str
    description: str | None = None
    created_at: datetime
    created_by: str


class ManagedIdentity(Value):
    """`resource` is whose it is, as a path below the workspace (`onlineEndpoints/iris`), or its own
    (`userAssignedIdentities/reader`), which goes on when those that have it are gone."""

    resource: str
    principal_id: str
    client_id: str
    location: str
    tags: Tags = {}
    created_at: datetime
    created_by: str
    grants: tuple[RoleGrant, ...] = ()

    @property
    def name(self) -> str:
        return self.resource.rpartition("/")[2]

    @property
    def is_user_assigned(self) -> bool:
        return self.resource.startswith(f"{USER_ASSIGNED}/")

    def arm_id(self, scope: WorkspaceScope) -> str:
        """Of what it is: the resource that has it, or its own."""
        if self.is_user_assigned:
            return user_assigned_id(scope, self.name)
        return scope.path(*self.resource.split("/"))

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(grant.role for grant in self.grants)

    @property
    def version(self) -> str:
        """What its tokens carry: which document says what it may now."""
        return f"{_MARK}{self.resource}"


def user_assigned_id(scope: WorkspaceScope, name: str) -> str:
    """The ARM id of a user-assigned identity, which is the resource group's."""
    return (
        f"/subscriptions/{scope.subscription}/resourceGroups/{scope.resource_group}"
        f"/providers/Microsoft.ManagedIdentity/{USER_ASSIGNED}/{name}"
    )


def resource_in(version: str) -> str | None:
    """Of the identity whose tokens carry `version`; None for those of anybody else."""
    return version.removeprefix(_MARK) if version.startswith(_MARK) else None
