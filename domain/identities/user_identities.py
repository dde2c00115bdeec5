"""Identities that are resources of their own, given to endpoints and computes by their ids."""

import re
from typing import final
from uuid import uuid4

from domain.errors import Detail, NotFound, refuse
from domain.ground.resource import Conditions, Wanted
from domain.identities.identity_holding import IdentityHolding
from domain.identities.identity_store import IdentityStore, StoredIdentity
from domain.identities.managed_identity import USER_ASSIGNED, ManagedIdentity
from domain.ports import Clock, Document
from domain.values import Value

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")


class UserIdentityProperties(Value):
    """Nothing is asked of one; its ids are given to it."""


@final
class UserIdentities:
    def __init__(
        self, identities: IdentityStore, holding: IdentityHolding, clock: Clock, location: str
    ) -> None:
        self._identities = identities
        self._holding = holding
        self._clock = clock
        self._location = location

    def arm_id(self, name: str) -> str:
        return self._holding.arm_id(name)

    async def get(self, name: str) -> StoredIdentity:
        """Raises NotFound."""
        self._holding.check_here()
        document = await self._find(name)
        if document is None:
            raise NotFound(f"User-assigned identity '{name[:64]}' was not found.")
        return StoredIdentity(self._identities.of(document), document.etag)

    async def list(
        self, top: int, continuation: str | None
    ) -> tuple[list[StoredIdentity], str | None]:
        """By name."""
        self._holding.check_here()
        return await self._identities.page(top, continuation, user_assigned=True)

    async def put(
        self,
        name: str,
        wanted: Wanted[UserIdentityProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[StoredIdentity, bool]:
        """Make one, or change its tags; True says made. What it is and may stays. Raises Invalid,
        PreconditionFailed, Conflict."""
        self._holding.check_here()
        if not _NAME.fullmatch(name):
            told = (
                f"'{name[:40]}' is not a name: use 3 to 128 letters, digits, '-' and '_', "
                "beginning with a letter or digit."
            )
            refuse([Detail("InvalidName", told, "name")])
        document = await self._find(name)
        conditions.check(document, f"User-assigned identity '{name}'")
        if document is not None:
            new = self._identities.of(document).but(tags=wanted.tags)
        else:
            new = ManagedIdentity(
                resource=f"{USER_ASSIGNED}/{name}",
                principal_id=str(uuid4()),
                client_id=str(uuid4()),
                location=wanted.location or self._location,
                tags=wanted.tags,
                created_at=self._clock.now(),
                created_by=caller,
            )
        written = await self._identities.save(new, document)
        return StoredIdentity(new, written.etag), document is None

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """With all its roles; whoever has it is given no token of it any more. False if it is not
        there."""
        self._holding.check_here()
        document = await self._find(name)
        if document is None:
            return False
        conditions.check(document, f"User-assigned identity '{name}'")
        return await self._identities.delete(f"{USER_ASSIGNED}/{name}", document.etag)

    async def _find(self, name: str) -> Document | None:
        if not _NAME.fullmatch(name):
            return None
        return await self._identities.document(f"{USER_ASSIGNED}/{name}")
