"""What endpoints' scripts are to others."""

import logging
from typing import Any, Generic, final

from domain.errors import Detail, DomainError
from domain.ground.resource import Identity, Wanted
from domain.identities.identity_holding import IdentityHolding
from domain.provisioning.kind import D, E, KindTypes

_log = logging.getLogger(__name__)


@final
class EndpointIdentities(Generic[E, D]):
    """Of one kind. Where its endpoints have none that anybody could be, what is asked for is kept
    as it was asked."""

    def __init__(self, types: KindTypes[E, D], holding: IdentityHolding) -> None:
        self._types = types
        self._holding = holding

    async def faults(self, wanted: Wanted[Any]) -> list[Detail]:
        """All that is wrong with the identity that is wanted."""
        return await self._holding.faults(wanted.identity)

    async def taken(self, wanted: Wanted[Any], old: E | None) -> Identity | None:
        """The identity that is wanted, which has no faults, as it is kept."""
        if not self._types.has_identities:
            return wanted.identity
        return await self._holding.taken(wanted.identity, old.identity if old else None)

    async def settle(self, endpoint: E) -> None:
        """Have what the endpoint shows; done again it changes nothing."""
        if self._types.has_identities and endpoint.identity is not None:
            holder = self._types.identity_holder(endpoint.name)
            await self._holding.settle(holder, endpoint.identity, endpoint.modified_by)

    async def settle_soon(self, endpoint: E) -> None:
        """As `settle`, of what is reconciled anyway: a fault is left to that."""
        try:
            await self.settle(endpoint)
        except DomainError as error:
            _log.warning("the identity of %s is settled later: %s", endpoint.name, error.message)

    async def release(self, endpoint: E) -> None:
        """The endpoint goes: so does what is its alone."""
        if self._types.has_identities and endpoint.identity is not None:
            await self._holding.release(self._types.identity_holder(endpoint.name))
