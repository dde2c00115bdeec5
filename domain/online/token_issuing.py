"""Tokens for the callers of endpoints in aml_token mode."""

from domain.errors import Conflict, Invalid
from domain.ground.access import AuthMode
from domain.online import endpoint_tokens
from domain.online.endpoint_changes import EndpointChanges
from domain.online.endpoint_tokens import EndpointToken, TokenKeyRing, TokenSettings
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import Cipher, Clock, Principal


class TokenIssuing:
    """Issues tokens and replaces signing keys in time."""

    def __init__(
        self, changes: EndpointChanges, cipher: Cipher, clock: Clock, settings: TokenSettings
    ) -> None:
        self._changes = changes
        self._cipher = cipher
        self._clock = clock
        self._settings = settings

    async def token(self, endpoint: str, caller: Principal) -> EndpointToken:
        """A token that every gateway takes at once. Raises Invalid in another auth mode."""
        found, _ = await self._changes.read(endpoint)
        ring = _ring(found)
        now = self._clock.now()
        if ring.outworn(now, self._settings.key_rotation):
            ring = _ring((await self._changes.change(endpoint, self._rotated_in_time)).resource)
        return endpoint_tokens.issue(
            ring,
            self._cipher,
            endpoint=found.name,
            caller=caller,
            now=now,
            settings=self._settings,
        )

    def _rotated_in_time(self, endpoint: OnlineEndpoint) -> OnlineEndpoint:
        ring, now = _ring(endpoint), self._clock.now()
        if not ring.outworn(now, self._settings.key_rotation):
            return endpoint  # Another host was first.
        try:
            return endpoint.but(token_keys=ring.rotated(self._cipher, now))
        except Conflict:
            return endpoint  # The ring is full: the key it has goes on signing.


def _ring(endpoint: OnlineEndpoint) -> TokenKeyRing:
    if endpoint.token_keys is None:
        mode = endpoint.properties.auth_mode
        told = {
            AuthMode.KEY: "listKeys shows its keys",
            AuthMode.AAD_TOKEN: "take a token of the issuer's, for the scoring audience",
        }
        raise Invalid(
            f"Online endpoint '{endpoint.name}' gives no tokens: its authMode is {mode}; "
            f"{told.get(mode, 'put it again')}.",
            target="properties.authMode",
        )
    return endpoint.token_keys
