"""Roles of identities: given, listed, taken away."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from domain.errors import Conflict, Invalid, NotFound, Unsupported
from domain.identities.identity_holding import IdentityHolding
from domain.identities.identity_store import IdentityStore
from domain.identities.managed_identity import ManagedIdentity, RoleGrant
from domain.identities.role_definitions import RoleScopes, definition
from domain.ports import Clients, Clock, Document, RegisteredClient

_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST = 100


@dataclass(frozen=True)
class RoleAssignment:
    identity: ManagedIdentity
    grant: RoleGrant


@final
class RoleAssignments:
    """What is given holds with the next call of its identity, and what is taken away is gone within
    two seconds, on every host. `scopes` says what ARM ids mean."""

    def __init__(
        self,
        identities: IdentityStore,
        holding: IdentityHolding,
        clients: Clients,
        clock: Clock,
        scopes: Callable[[], RoleScopes],
    ) -> None:
        self._identities = identities
        self._holding = holding
        self._clients = clients
        self._clock = clock
        self._scopes = scopes

    async def get(self, scope: str, name: str) -> RoleAssignment:
        """Raises NotFound."""
        self._holding.check_here()
        _, found = await self._found(name)
        if found is None or found.grant.scope.casefold() != scope.casefold():
            raise NotFound(f"There is no role assignment '{name[:64]}' at '{scope[:300]}'.")
        return found

    async def put(  # an assignment is made of these
        self,
        scope: str,
        name: str,
        *,
        principal: str,
        role: str,
        description: str | None,
        caller: str,
    ) -> tuple[RoleAssignment, bool]:
        """Give the role; True says that it is new. Raises Invalid, Conflict for a name that is of
        another assignment, and for one that is there already under another name."""
        self._holding.check_here()
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"'{name[:64]}' is not a name: a role assignment's is a UUID.",
                code="InvalidRoleAssignmentId",
            )
        given = definition(role)
        comes_to = self._scopes().role(given, scope)
        _, named = await self._found(name)
        document, identity = await self._principal(principal)
        if named is not None:
            old = named.grant
            is_same = named.identity.principal_id == identity.principal_id
            if is_same and (old.definition, old.role) == (given.id, comes_to):
                return named, False
            raise Conflict(
                f"Role assignment '{name}' is another one; it cannot be changed. Delete it first.",
                code="RoleAssignmentUpdateNotPermitted",
            )
        twin = next(
            (g for g in identity.grants if (g.definition, g.role) == (given.id, comes_to)), None
        )
        if twin is not None:
            raise Conflict(
                f"The role assignment already exists: '{twin.name}' gives it.",
                code="RoleAssignmentExists",
            )
        if len(identity.grants) >= _MOST:
            raise Conflict(
                f"An identity has {_MOST} roles at most. Give it one for more at once.",
                code="RoleAssignmentLimitExceeded",
            )
        grant = RoleGrant(
            name=name.lower(),
            definition=given.id,
            scope=scope,
            role=comes_to,
            description=description,
            created_at=self._clock.now(),
            created_by=caller,
        )
        changed = identity.but(grants=(*identity.grants, grant))
        await self._identities.save(changed, document)
        return RoleAssignment(changed, grant), True

    async def delete(self, scope: str, name: str) -> RoleAssignment | None:
        """What was taken away; None if there is none."""
        self._holding.check_here()
        document, found = await self._found(name)
        if found is None or document is None or found.grant.scope.casefold() != scope.casefold():
            return None
        rest = tuple(each for each in found.identity.grants if each.name != found.grant.name)
        await self._identities.save(found.identity.but(grants=rest), document)
        return found

    async def list(self, scope: str, principal: str | None) -> Sequence[RoleAssignment]:
        """Those for `scope` and what is within it; of one principal, if one is named."""
        self._holding.check_here()
        within = f"{scope.rstrip('/')}/".casefold()
        return [
            RoleAssignment(identity, grant)
            for document in await self._identities.all()
            for identity in [self._identities.of(document)]
            if principal is None or identity.principal_id == principal.casefold()
            for grant in identity.grants
            if f"{grant.scope}/".casefold().startswith(within)
        ]

    async def _found(self, name: str) -> tuple[Document | None, RoleAssignment | None]:
        wanted = name.lower()
        for document in await self._identities.all():
            identity = self._identities.of(document)
            for grant in identity.grants:
                if grant.name == wanted:
                    return document, RoleAssignment(identity, grant)
        return None, None

    async def _principal(self, id: str) -> tuple[Document, ManagedIdentity]:
        """Raises Invalid for one that is not there."""
        for document in await self._identities.all():
            identity = self._identities.of(document)
            if identity.principal_id == id.casefold():
                return document, identity
            if identity.client_id == id.casefold():
                raise Invalid(
                    f"'{id}' is the client id of '{identity.name}'; its principal id is "
                    f"'{identity.principal_id}'.",
                    code="PrincipalNotFound",
                    target="properties.principalId",
                )
        for client in await self._known_clients():
            if client.id == id:
                raise Invalid(
                    f"'{id}' is the client '{client.name}': its roles are given at clients/"
                    f"{client.name}, not here.",
                    code="PrincipalTypeNotSupported",
                    target="properties.principalId",
                )
        raise Invalid(
            f"Principal '{id[:64]}' was not found. It is the principalId that an endpoint, a "
            "compute or a user-assigned identity shows.",
            code="PrincipalNotFound",
            target="properties.principalId",
        )

    async def _known_clients(self) -> Sequence[RegisteredClient]:
        """None where another host has them."""
        try:
            return await self._clients.list()
        except Unsupported:
            return ()
