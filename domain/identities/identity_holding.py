"""Identities of endpoints and computes: taken, made, and gone with them."""

from collections.abc import Sequence
from typing import final
from uuid import uuid4

from domain.errors import Detail, Unsupported
from domain.ground.resource import Identity
from domain.identities.identity_store import IdentityStore
from domain.identities.managed_identity import (
    TENANT,
    USER_ASSIGNED,
    ManagedIdentity,
    user_assigned_id,
)
from domain.names import WorkspaceScope
from domain.ports import Clock, ProgramIdentity

_TYPES = {
    "none": "None",
    "systemassigned": "SystemAssigned",
    "userassigned": "UserAssigned",
    "systemassigned,userassigned": "SystemAssigned,UserAssigned",
}
_MOST = 20


@final
class IdentityHolding:
    """Where `elsewhere` says whose identities are, nothing is made of them: they are kept as they
    were asked for, and are that one's to give."""

    def __init__(
        self,
        identities: IdentityStore,
        clock: Clock,
        scope: WorkspaceScope,
        location: str,
        *,
        elsewhere: str | None,
    ) -> None:
        self._identities = identities
        self._clock = clock
        self._scope = scope
        self.location = location
        self._elsewhere = elsewhere

    def check_here(self) -> None:
        """Raises Unsupported, which says where they are."""
        if self._elsewhere is not None:
            raise Unsupported(self._elsewhere)

    async def faults(self, wanted: Identity | None) -> list[Detail]:
        """All that is wrong with the wish."""
        if wanted is None:
            return []
        given = wanted.user_assigned_identities or {}
        kind = _kind(wanted)
        if kind is None:
            told = f"'{wanted.type[:80]}' is no type of identity: {', '.join(_TYPES.values())}."
            return [Detail("InvalidIdentity", told, "identity.type")]
        faults = []
        at = "identity.userAssignedIdentities"
        if "UserAssigned" in kind.split(",") and not given:
            told = "This type needs userAssignedIdentities: a map with the ARM id of each."
            faults.append(Detail("InvalidIdentity", told, at))
        elif given and "UserAssigned" not in kind.split(","):
            told = f"type {kind} has no user-assigned identities; say UserAssigned."
            faults.append(Detail("InvalidIdentity", told, at))
        if len(given) > _MOST:
            faults.append(Detail("InvalidIdentity", f"{_MOST} identities are the most.", at))
        elif self._elsewhere is None:
            faults += [fault for id in given if (fault := await self._fault(id, at))]
        return faults

    async def _fault(self, id: str, at: str) -> Detail | None:
        resource = self._resource(id)
        if resource is None:
            told = f"'{id[:200]}' is no user-assigned identity; its id is {self.arm_id('NAME')}."
            return Detail("InvalidIdentity", told, at)
        if await self._identities.find(resource) is None:
            told = f"'{id[:200]}' was not found. Make it first: PUT it, or mle identity create."
            return Detail("IdentityNotFound", told, at)
        return None

    async def taken(self, wanted: Identity | None, old: Identity | None) -> Identity | None:
        """What `wanted`, which has no faults, is kept as: with the ids of what is in it. None is no
        wish: it stays as it is."""
        if wanted is None:
            return old
        kind = _kind(wanted) or wanted.type
        if self._elsewhere is not None:
            return wanted.but(type=kind)
        own = "SystemAssigned" in kind.split(",")
        principal = None
        if own:
            principal = (old.principal_id if old else None) or str(uuid4())
        given = wanted.user_assigned_identities
        return Identity(
            type=kind,
            principal_id=principal,
            tenant_id=TENANT if kind != "None" else None,
            user_assigned_identities={id: await self._ids(id) for id in given} if given else None,
        )

    async def settle(self, holder: str, identity: Identity, caller: str) -> None:
        """Have what `holder` was promised; done again it changes nothing."""
        if self._elsewhere is not None:
            return
        principal = identity.principal_id
        before = await self._identities.document(holder)
        known = self._identities.of(before) if before is not None else None
        if known is not None and known.principal_id != principal:
            await self._identities.delete(holder)
            before = None
        if principal is not None and before is None:
            made = ManagedIdentity(
                resource=holder,
                principal_id=principal,
                client_id=str(uuid4()),
                location=self.location,
                created_at=self._clock.now(),
                created_by=caller,
            )
            await self._identities.save(made, None)
        held = [holder] if principal is not None else []
        await self._identities.hold(holder, [*held, *self._given(identity)])

    async def release(self, holder: str) -> None:
        """It is gone: so is its own identity, with all the roles of that."""
        if self._elsewhere is not None:
            return
        await self._identities.hold(holder, ())
        await self._identities.delete(holder)

    def arm_id(self, name: str) -> str:
        """Of a user-assigned identity."""
        return user_assigned_id(self._scope, name)

    def _resource(self, id: str) -> str | None:
        prefix = self.arm_id("")
        name = id[len(prefix) :].rstrip("/")
        is_one = id.casefold().startswith(prefix.casefold()) and name and "/" not in name
        return f"{USER_ASSIGNED}/{name}" if is_one else None

    def _given(self, identity: Identity) -> Sequence[str]:
        given = identity.user_assigned_identities or {}
        return [resource for id in given if (resource := self._resource(id))]

    async def _ids(self, id: str) -> dict[str, str]:
        resource = self._resource(id)
        found = await self._identities.find(resource) if resource else None
        if found is None:
            return {}
        return {"principalId": found.principal_id, "clientId": found.client_id}


def of_program(holder: str, identity: Identity | None) -> ProgramIdentity | None:
    """Whom scripts of `holder` may be; None where they are nobody."""
    kind = _kind(identity) if identity is not None else None
    if identity is None or kind in (None, "None"):
        return None
    own = "SystemAssigned" in kind.split(",")
    return ProgramIdentity(holder, own, tuple(identity.user_assigned_identities or ()))


def _kind(identity: Identity) -> str | None:
    return _TYPES.get("".join(identity.type.split()).casefold())
