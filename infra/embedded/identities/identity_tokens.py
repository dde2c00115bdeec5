"""Tokens of managed identities, by the embedded host's own issuer."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from domain.errors import Invalid, NotFound, Unsupported
from domain.identities.identity_store import IdentityReading
from domain.identities.managed_identity import TENANT, ManagedIdentity
from infra.web.token_verifier import VERSION_CLAIM

LIFETIME: Final = 3600
STORAGE: Final = "https://storage.azure.com"
"""What tokens for blobs are for, as everywhere in Azure."""
_CONTROL: Final = ("https://management.azure.com", "https://management.core.windows.net")

_KEPT: Final = 4096

Claims = Mapping[str, object]
Chosen = Mapping[str, str]
"""Which identity is asked for, by names of a query."""


@dataclass(frozen=True)
class IdentityToken:
    token: str = field(repr=False)
    resource: str
    expires_at: int
    identity: ManagedIdentity


class Audiences:
    """Whom a token is for, by the resource that Azure's clients name."""

    def __init__(self, control: Sequence[str], scoring: str) -> None:
        by_resource = dict.fromkeys((*_CONTROL, *control), control[0])
        self._by_resource = {**by_resource, scoring: scoring, STORAGE: STORAGE}

    @property
    def resources(self) -> Sequence[str]:
        return list(self._by_resource)

    def of(self, resource: str) -> str:
        """Raises Invalid."""
        wanted = resource.removesuffix("/.default").rstrip("/")
        found = self._by_resource.get(wanted)
        if found is None:
            known = ", ".join(self._by_resource)
            raise Invalid(
                f"Tokens for '{resource[:200]}' are not given here; there are those for {known}.",
                code="invalid_resource",
            )
        return found


class IdentityTokens:
    """One-hour tokens that say who somebody is, and nothing of what he may: that is looked up with
    every use. `resources` names each identity as Azure does; where `refusal` says who gives them,
    none is given here."""

    def __init__(
        self,
        identities: IdentityReading,
        sign: Callable[[Claims], str],
        issuer: str,
        audiences: Audiences,
        resource_id: Callable[[ManagedIdentity], str],
        *,
        refusal: str | None,
    ) -> None:
        self._identities = identities
        self._sign = sign
        self._issuer = issuer
        self.audiences = audiences
        self._resource_id = resource_id
        self._refusal = refusal
        self._kept: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def token(self, holder: str, resource: str, chosen: Chosen) -> IdentityToken:
        """For a script of `holder`. Raises Invalid for a resource, or a choice, that means nothing
        here, NotFound for an identity that it does not have, and Unsupported."""
        if self._refusal is not None:
            raise Unsupported(self._refusal)
        audience = self.audiences.of(resource)
        held = await self.held(holder)
        identity = self._chosen(held, chosen)
        return await self._signed(identity, resource, audience)

    async def _signed(
        self, identity: ManagedIdentity, resource: str, audience: str
    ) -> IdentityToken:
        """The one before, while it has half of its time left: who asks all the time has no more."""
        now, known = int(time.time()), (identity.version, identity.principal_id, audience)
        kept = self._kept.get(known)
        if kept is not None and kept[1] - now > LIFETIME / 2:
            return IdentityToken(kept[0], resource, kept[1], identity)
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": identity.principal_id,
            "oid": identity.principal_id,
            "appid": identity.client_id,
            "azp": identity.client_id,
            "idtyp": "app",
            "tid": TENANT,
            "name": identity.resource,
            "xms_mirid": self._resource_id(identity),
            VERSION_CLAIM: identity.version,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "jti": uuid4().hex,
            "ver": "2.0",
        }
        token = await asyncio.to_thread(self._sign, claims)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[known] = token, now + LIFETIME
        return IdentityToken(token, resource, now + LIFETIME, identity)

    async def held(self, holder: str) -> list[ManagedIdentity]:
        """Those that it has, its own first."""
        found = [await self._identities.find(each) for each in await self._identities.held(holder)]
        return [each for each in found if each is not None]

    def names(self, identity: ManagedIdentity) -> Mapping[str, str]:
        """By what it may be asked for."""
        return {
            "client_id": identity.client_id,
            "object_id": identity.principal_id,
            "resource_id": self._resource_id(identity),
        }

    def usual(self, held: Sequence[ManagedIdentity]) -> ManagedIdentity | None:
        """Whom a script is that asks for none by name: its own identity, or the only one."""
        own = [each for each in held if not each.is_user_assigned]
        return own[0] if own else held[0] if len(held) == 1 else None

    def _chosen(self, held: Sequence[ManagedIdentity], chosen: Chosen) -> ManagedIdentity:
        wanted = {name: value.casefold() for name, value in chosen.items()}
        if not wanted:
            usual = self.usual(held)
            if usual is not None:
                return usual
            if not held:
                raise NotFound("No identity is assigned here.", code="identity_not_found")
            ids = ", ".join(f"{each.client_id} ({each.name})" for each in held)
            raise Invalid(
                f"There are several identities, and no own one: say which by client_id: {ids}.",
                code="invalid_request",
            )
        for each in held:
            names = self.names(each)
            if all(names[name].casefold() == value for name, value in wanted.items()):
                return each
        told = ", ".join(f"{name} '{value[:200]}'" for name, value in wanted.items())
        raise NotFound(f"No identity with {told} is assigned here.", code="identity_not_found")
