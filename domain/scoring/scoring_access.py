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
from domain.ground.keys import matches
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
    """What a token proved for one endpoint. `key_id` is '' for a token of the issuer's;
    `refused` names the caller whose right is missing."""

    until: float
    key_id: str
    refused: str | None = None


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

    async def check(self, route: Route, credential: bytes | None) -> None:
        """Returns if `credential` opens the endpoint in its auth mode: in key mode either of
        its two keys does, and no other credential. Raises Refused: 401 for a credential that
        is none, 403 for a caller without the right. Raises Unavailable while the issuer's
        keys cannot be had."""
        mode = route.auth_mode
        if credential is None or mode is AuthMode.KEY:
            _check_key(route, credential)
            return
        digest = hashlib.sha256(route.endpoint.encode() + b"\0" + credential).digest()
        known = self._known.get(digest)
        if known is not None and self._still(known, route):
            self._known.move_to_end(digest)
        elif mode is AuthMode.AML_TOKEN:
            known = self._own_token(route, credential)
        else:
            known = await self._issuers_token(route, credential)
        self._remember(digest, known)
        if known.refused is not None:
            raise scoring_refusals.not_permitted(route.endpoint, known.refused)

    def _still(self, known: _Known, route: Route) -> bool:
        if self._clock.now().timestamp() >= known.until:
            return False
        if route.auth_mode is not AuthMode.AML_TOKEN:
            return not known.key_id
        return route.token_keys is not None and any(
            key.id == known.key_id for key in route.token_keys.keys
        )

    def _own_token(self, route: Route, credential: bytes) -> _Known:
        proved = endpoint_tokens.verify(credential, route.endpoint, self._secrets(route))
        if proved is None:
            raise scoring_refusals.not_authenticated(route.auth_mode.value)
        if self._clock.now().timestamp() >= proved.expires_at:
            raise scoring_refusals.token_expired()
        return _Known(proved.expires_at, proved.key_id)

    async def _issuers_token(self, route: Route, credential: bytes) -> _Known:
        try:
            principal = await self._verifier.verify(credential.decode("latin-1"))
        except Unauthenticated as error:
            if error.code == "ExpiredToken":
                raise scoring_refusals.token_expired() from None
            raise scoring_refusals.not_authenticated(route.auth_mode.value) from None
        now = self._clock.now().timestamp()
        until = min(principal.expires_at or now, now + TRUSTED_FOR)
        allowed = _may_score(principal, route.endpoint)
        return _Known(until, "", None if allowed else principal.id)

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


def _check_key(route: Route, credential: bytes | None) -> None:
    opened = credential is not None and matches(credential, route.key_digests)
    if not opened or route.auth_mode is not AuthMode.KEY:
        raise scoring_refusals.not_authenticated(route.auth_mode.value)


def _may_score(principal: Principal, endpoint: str) -> bool:
    return access.allows(principal, SCORE_ACTION, f"onlineEndpoints/{endpoint}")
