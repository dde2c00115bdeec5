"""Where tokens come from somebody else's issuer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn

from domain.errors import Unsupported
from domain.ports import Clients, NewSecret, RegisteredClient, SignedIn
from domain.ports.identity import Check

ENTRAS_IDENTITIES = (
    "Managed identities are Entra ID's here: make them and give them roles in Azure (az identity, "
    "az role assignment); what they may do in this workspace is said at clients/{principalId}. "
    "What an endpoint or a compute names is kept for the platform that it runs on."
)


class NoClients(Clients):
    """`told` says whose they are."""

    def __init__(self, told: str) -> None:
        self._told = told

    @property
    def token_path(self) -> None:
        return None

    async def list(self) -> Sequence[RegisteredClient]:
        self._refuse()

    async def get(self, name: str) -> RegisteredClient:
        self._refuse()

    async def put(self, name: str, role: str, check: Check) -> RegisteredClient | NewSecret:
        self._refuse()

    async def renew_secret(self, name: str) -> NewSecret:
        self._refuse()

    async def remove(self, name: str, check: Check) -> bool:
        self._refuse()

    async def token(self, client: RegisteredClient, lifetime: timedelta) -> SignedIn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unsupported(self._told)
