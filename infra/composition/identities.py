"""Identities of deployments, and their roles; how people sign in to the studio."""

from domain.application import StudioAccess
from domain.assets.datastore import DEFAULT, storage_account_id
from domain.identities.activities import IdentityActivities
from domain.identities.role_assignments import RoleAssignments
from domain.identities.role_definitions import RoleScopes
from domain.identities.sign_in_links import SignInLinks
from domain.identities.user_identities import UserIdentities
from infra.composition.ground import Ground


def compose_identities(ground: Ground) -> IdentityActivities:
    a = ground.adapters

    def scopes() -> RoleScopes:
        return RoleScopes(ground.scope, storage_account_id(ground.scope, a.blobs.url(DEFAULT)))

    return IdentityActivities(
        holding=ground.holding,
        users=UserIdentities(ground.identities, ground.holding, a.clock, ground.location),
        assignments=RoleAssignments(ground.identities, ground.holding, a.clients, a.clock, scopes),
    )


def compose_studio(ground: Ground) -> StudioAccess:
    a = ground.adapters
    return StudioAccess(a.sign_ins, a.cipher, SignInLinks(a.store, a.clients, a.clock))
