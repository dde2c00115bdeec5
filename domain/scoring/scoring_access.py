"""Who may score on an endpoint: a key, a token of the endpoint's own, or one of the issuer's.

No store is touched: keys and key ring come with the route. What a token proved is
remembered by its digest until it expires.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from domain.errors import Unauthenticated
from domain.ground import access
from domain.ground.access import AuthMode
from domain.ground.keys import KeyType, slot
from domain.online import endpoint_tokens
from domain.online.endpoint_tokens import TokenKeyRing
from domain.ports import Cipher, Clock, Principal, TokenVerifier
from domain.scoring import scoring_refusals
from domain.scoring.route import Route

SCORE_ACTION = "onlineEndpoints/score/action"

REMEMBERED = 10_000
"""Tokens whose check is remembered."""
TRUSTED_FOR = 300.0
"""Seconds for which an issuer's token is taken on trust after a check, at most: a key that
the issuer has withdrawn counts no longer than that."""


@dataclass(slots=True)
class _Known:
    """What a token proved for one endpoint, and of whom, in which epoch of the issuer's clients.
    `key_id` is '' for a token of the issuer's; `refused` if the caller's right is missing."""

    until: float
    key_id: str
    caller: str
    epoch: int
    refused: bool


class ScoringAccess:
    """Opens endpoints in every auth mode. One event loop owns it."""

    def __init__(
        self, cipher: Cipher, clock: Clock, verifier: TokenVerifier, *, remembered: int = REMEMBERED
    ) -> None:
        self._cipher = cipher
        self._clock = clock
        self._verifier = verifier
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._rings: OrderedDict[str, tuple[TokenKeyRing, dict[str, bytes]]] = OrderedDict()
        self._remembered = remembered

    async def check(self, route: Route, credential: bytes | None) -> str:
        """Whom `credential` is of, if it opens the endpoint in its auth mode: in key mode either
        of its two keys does, and no other credential. Raises Refused: 401 for a credential that
        is none, 403 for a caller without the right. Raises Unavailable while the issuer's
        keys cannot be had."""
        mode = route.auth_mode
        if credential is None or mode is AuthMode.KEY:
            return _key_slot(route, credential)
        digest = hashlib.sha256(route.endpoint.encode() + b"\0" + credential).digest()
        known = self._known.get(digest)
        if known is not None and self._still(known, route):
            self._known.move_to_end(digest)
        elif mode is AuthMode.AML_TOKEN:
            known = await self._own_token(route, credential)
        else:
            known = await self._issuers_token(route, credential)
        self._remember(digest, known)
        if known.refused:
            raise scoring_refusals.not_permitted(route.endpoint, known.caller)
        return f"client:{known.caller}"

    def _still(self, known: _Known, route: Route) -> bool:
        if self._clock.now().timestamp() >= known.until or known.epoch != self._verifier.epoch:
            return False
        if route.auth_mode is not AuthMode.AML_TOKEN:
            return not known.key_id
        return route.token_keys is not None and any(
            key.id == known.key_id for key in route.token_keys.keys
        )

    async def _own_token(self, route: Route, credential: bytes) -> _Known:
        proved = endpoint_tokens.verify(credential, route.endpoint, self._secrets(route))
        if proved is None:
            raise scoring_refusals.not_authenticated(route.auth_mode.value)
        if self._clock.now().timestamp() >= proved.expires_at:
            raise scoring_refusals.token_expired()
        epoch = self._verifier.epoch
        if not await self._verifier.holds(proved.caller, proved.version):
            raise scoring_refusals.token_revoked()
        return _Known(proved.expires_at, proved.key_id, proved.caller, epoch, refused=False)

    async def _issuers_token(self, route: Route, credential: bytes) -> _Known:
        epoch = self._verifier.epoch
        try:
            principal = await self._verifier.verify(credential.decode("latin-1"))
        except Unauthenticated as error:
            if error.code == "ExpiredToken":
                raise scoring_refusals.token_expired() from None
            if error.code == "RevokedToken":
                raise scoring_refusals.token_revoked() from None
            raise scoring_refusals.not_authenticated(route.auth_mode.value) from None
        now = self._clock.now().timestamp()
        until = min(principal.expires_at or now, now + TRUSTED_FOR)
        allowed = _may_score(principal, route.endpoint)
        return _Known(until, "", principal.id, epoch, refused=not allowed)

    def _secrets(self, route: Route) -> dict[str, bytes]:
        """The endpoint's opened ring, kept beside the route: a route knows no cipher."""
        ring = route.token_keys
        if ring is None:
            return {}
        name = route.endpoint.casefold()
        kept = self._rings.get(name)
        if kept is None or kept[0] is not ring:
            kept = self._rings[name] = (ring, ring.open(self._cipher))
            self._rings.move_to_end(name)
            if len(self._rings) > self._remembered:
                self._rings.popitem(last=False)
        return kept[1]

    def _remember(self, digest: bytes, known: _Known) -> None:
        if digest in self._known:
            self._known[digest] = known
            return
        self._known[digest] = known
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)


_CALLERS = {KeyType.PRIMARY: "key:primary", KeyType.SECONDARY: "key:secondary"}


def _key_slot(route: Route, credential: bytes | None) -> str:
    opened = None if credential is None else slot(credential, route.key_digests)
    if opened is None or route.auth_mode is not AuthMode.KEY:
        raise scoring_refusals.not_authenticated(route.auth_mode.value)
    return _CALLERS[opened]


def _may_score(principal: Principal, endpoint: str) -> bool:
    return access.allows(principal, SCORE_ACTION, f"onlineEndpoints/{endpoint}")
