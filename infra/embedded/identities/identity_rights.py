"""What managed identities may now, and whether they are there: whatever their tokens said when
they were given."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from domain.errors import DomainError
from domain.identities.identity_store import IdentityReading
from domain.identities.managed_identity import ManagedIdentity, resource_in
from infra.web.client_standing import ClientStanding
from infra.web.token_rights import Claims, TokenRights, claimed
from infra.web.token_verifier import VERSION_CLAIM

_READ = 1.0
"""Seconds between two looks at whether anything has changed."""
_USABLE = 2.0
"""Seconds for which what was read then is gone by."""
_REMEMBERED = 4096


class IdentityRights(TokenRights, ClientStanding):
    """Of identities; `clients` says it of everybody else. Followed once a second by `run`; whoever
    asks while that is behind waits for a look of its own. One event loop owns it."""

    def __init__(
        self,
        identities: IdentityReading,
        clients: ClientStanding,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identities = identities
        self._clients = clients
        self._clock = clock
        self._known: dict[str, ManagedIdentity | None] = {}
        self._stamp: str | None = None
        self._read_at = -_USABLE
        self._epoch = 0

    @property
    def epoch(self) -> int:
        if not self._is_usable():
            # Whatever was taken on trust is to be asked for anew.
            self._epoch += 1
        return self._epoch + self._clients.epoch

    async def holds(self, subject: str, version: str) -> bool:
        resource = resource_in(version)
        if resource is None:
            return await self._clients.holds(subject, version)
        found = await self._find(resource)
        return found is not None and found.principal_id == subject

    async def roles(self, claims: Claims) -> frozenset[str]:
        resource = resource_in(str(claims.get(VERSION_CLAIM, "")))
        if resource is None:
            return claimed(claims, "roles")
        found = await self._find(resource)
        return found.roles if found is not None else frozenset()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(DomainError):  # told to whoever asks
                await self._look()
            await asyncio.sleep(_READ)

    async def _find(self, resource: str) -> ManagedIdentity | None:
        if not self._is_usable():
            await self._look()
        if resource not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            before = self._stamp
            found = await self._identities.find(resource)
            if before != self._stamp:
                return found  # what is known now may be newer
            self._known[resource] = found
        return self._known[resource]

    def _is_usable(self) -> bool:
        return self._clock() - self._read_at < _USABLE

    async def _look(self) -> None:
        begun = self._clock()
        stamp = await self._identities.stamp()
        if stamp != self._stamp:
            self._known.clear()
            self._stamp = stamp
            self._epoch += 1
        self._read_at = begun
