"""What can be done about identities."""

from dataclasses import dataclass

from domain.identities.identity_holding import IdentityHolding
from domain.identities.role_assignments import RoleAssignments
from domain.identities.user_identities import UserIdentities


@dataclass(frozen=True)
class IdentityActivities:
    holding: IdentityHolding
    users: UserIdentities
    assignments: RoleAssignments
