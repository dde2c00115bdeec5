"""The clients of this host's own issuer, as the control plane makes and changes them."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from domain.errors import NotFound, Unauthenticated
from domain.ports import Clients, NewSecret, RegisteredClient, SignedIn
from domain.ports.identity import Check
from infra.embedded.access.clients import (
    TOKEN_PATH,
    Client,
    ClientCredentials,
    ClientRegistry,
)
from infra.embedded.access.private_files import write_private

T = TypeVar("T")


class OwnClients(Clients):
    """`connection` is the file that tells scripts of this machine one of them, and `issue` makes
    tokens, for so many seconds."""

    def __init__(
        self, registry: ClientRegistry, connection: Path, issue: Callable[[Client, int], str]
    ) -> None:
        self._registry = registry
        self._connection = connection
        self._issue = issue

    @property
    def token_path(self) -> str:
        return TOKEN_PATH

    async def list(self) -> Sequence[RegisteredClient]:
        return [_registered(client) for client in await asyncio.to_thread(self._registry.list)]

    async def get(self, name: str) -> RegisteredClient:
        return await asyncio.to_thread(self._get, name)

    async def put(self, name: str, role: str, check: Check) -> RegisteredClient | NewSecret:
        return await asyncio.to_thread(self._put, name, role, check)

    async def renew_secret(self, name: str) -> NewSecret:
        return await asyncio.to_thread(self._renew_secret, name)

    async def remove(self, name: str, check: Check) -> bool:
        return await asyncio.to_thread(self._remove, name, check)

    async def token(self, client: RegisteredClient, lifetime: timedelta) -> SignedIn:
        return await asyncio.to_thread(self._token, client, lifetime)

    def _token(self, client: RegisteredClient, lifetime: timedelta) -> SignedIn:
        known = self._registry.find(client.name)
        if known is None or known.version != client.etag:
            raise Unauthenticated("The client has changed since.", code="SignedOut")
        ends = datetime.now(UTC) + lifetime
        return SignedIn(self._issue(known, int(lifetime.total_seconds())), ends.timestamp())

    def _get(self, name: str) -> RegisteredClient:
        client = self._registry.find(name)
        if client is None:
            raise NotFound(f"Client '{name[:64]}' was not found.")
        return _registered(client)

    def _put(self, name: str, role: str, check: Check) -> RegisteredClient | NewSecret:
        try:
            self._registry.change_role(name, role, _on_client(check))
        except NotFound:
            check(None)
            return self._told(self._registry.add(name, role), name)
        return self._get(name)

    def _renew_secret(self, name: str) -> NewSecret:
        renewed = self._registry.renew(name)
        self._tell_scripts(renewed)
        return self._told(renewed, name)

    def _remove(self, name: str, check: Check) -> bool:
        try:
            self._registry.remove(name, _on_client(check))
        except NotFound:
            check(None)
            return False
        return True

    def _told(self, credentials: ClientCredentials, name: str) -> NewSecret:
        return NewSecret(self._get(name), credentials.client_secret)

    def _tell_scripts(self, renewed: ClientCredentials) -> None:
        try:
            connection = json.loads(self._connection.read_bytes())
        except FileNotFoundError:
            return
        if connection.get("client_id") == renewed.client_id:
            connection["client_secret"] = renewed.client_secret
            write_private(self._connection, json.dumps(connection, indent=2).encode())


def _on_client(check: Check) -> Callable[[Client], None]:
    return lambda client: check(_registered(client))


def _registered(client: Client) -> RegisteredClient:
    return RegisteredClient(
        client.client_id, client.name, client.role, client.created_at, client.version
    )
