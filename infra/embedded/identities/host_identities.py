"""What this host lends its scripts, to be somebody to others."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from domain.errors import DomainError
from infra.compute.identity_lending import IdentityLending, Lent, LentToken
from infra.embedded.identities.identity_door import IdentityDoor
from infra.embedded.identities.identity_tokens import IdentityTokens
from infra.embedded.identities.trust_bundle import VARIABLES, write_bundle

_log = logging.getLogger(__name__)

_PROXIES: Final = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
BLOBS_AT: Final = "AZURE_STORAGEBLOB_RESOURCEENDPOINT"
"""As Azure's Service Connector tells of an account that is opened by an identity."""
_OF_COMPUTE: Final = "computes/"


@dataclass(frozen=True)
class Blobs:
    """Where scripts reach blobs: those of this machine, and those of nodes elsewhere, which is told
    with who has signed for it (PEM; '' where that is usual)."""

    here: str
    of_nodes: Callable[[], Awaitable[tuple[str, str]]]


class HostIdentities(IdentityLending):
    """`bundle` is a file that `trust` writes. Where identities are not this installation's to give,
    nothing is lent."""

    def __init__(
        self,
        tokens: IdentityTokens,
        door: IdentityDoor,
        bundle: Path,
        blobs: Blobs,
        *,
        are_ours: bool,
    ) -> None:
        self._tokens = tokens
        self._door = door
        self._bundle = bundle
        self._blobs = blobs
        self._are_ours = are_ours
        self._authorities = ""

    @property
    def lends(self) -> bool:
        return self._are_ours

    async def start(self) -> None:
        """Before anything runs here."""
        if self._are_ours:
            await self._door.start()

    async def trust(self, authority: Path) -> None:
        """Have scripts take this host for who it is."""
        if self._are_ours:
            await asyncio.to_thread(write_bundle, self._bundle, authority, os.environ)
            self._authorities = await asyncio.to_thread(authority.read_text)

    async def close(self) -> None:
        await self._door.close()

    async def lent(self, holder: str | None, owner: str) -> Lent:
        if holder is None or not self._door.url:
            return Lent()
        variables = {**self._door.variables(holder, owner), BLOBS_AT: self._blobs.here}
        variables |= _past_proxies(os.environ)
        variables |= await self._named(holder)
        if not self._authorities:
            return Lent(variables)
        trusting = dict.fromkeys(VARIABLES, str(self._bundle))
        return Lent({**variables, **trusting}, (self._bundle,))

    async def of_nodes(self, holder: str) -> Mapping[str, Any]:
        variables = dict(await self._named(holder))
        try:
            url, authority = await self._blobs.of_nodes()
        except DomainError as error:
            _log.warning("scripts of nodes are not told where blobs are: %s", error.message)
            return {"authorities": self._authorities, "variables": variables}
        authorities = "\n".join(filter(None, (self._authorities, authority)))
        return {"authorities": authorities, "variables": {**variables, BLOBS_AT: url}}

    async def tokens(self, holder: str) -> Sequence[LentToken]:
        if not self._are_ours:
            return ()
        held = await self._tokens.held(holder)
        usual = self._tokens.usual(held)
        found = []
        for resource in self._tokens.audiences.resources:
            for identity in held:
                names = self._tokens.names(identity)
                chosen = {"object_id": identity.principal_id}
                given = await self._tokens.token(holder, resource, chosen)
                is_usual = identity == usual
                found.append(LentToken(resource, names, is_usual, given.token, given.expires_at))
        return found

    async def _named(self, holder: str) -> Mapping[str, str]:
        """As Azure ML tells jobs of the identity that their compute was given."""
        if not holder.startswith(_OF_COMPUTE):
            return {}
        held = await self._tokens.held(holder)
        given = [each.client_id for each in held if each.is_user_assigned]
        return {"DEFAULT_IDENTITY_CLIENT_ID": given[0]} if given else {}


def _past_proxies(environment: Mapping[str, str]) -> Mapping[str, str]:
    """No proxy is asked for what is on this machine."""
    if not any(environment.get(name) for name in _PROXIES):
        return {}
    known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    beyond = ",".join(filter(None, (known, "127.0.0.1", "localhost")))
    return {"NO_PROXY": beyond, "no_proxy": beyond}
