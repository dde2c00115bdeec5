"""A storage account: its URLs and names, its client, and what signs for it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobServiceClient

from domain import errors
from domain.ports import Permission
from infra.cloud.faults import fault
from infra.cloud.patience import Patience
from infra.rules import blob_urls

Credential = AzureNamedKeyCredential | AsyncTokenCredential

CONNECT_WAIT = 5
_PUT_AT_ONCE = 64 * 1024 * 1024
_LONGEST_KEY = timedelta(days=7)
_KEY_BEFORE = timedelta(minutes=15)
"""Clocks differ; a delegation key that starts now would not hold yet elsewhere."""
_KEY_MARGIN = timedelta(days=1)
_PORTS = {"http": 80, "https": 443}
_EMULATOR_ACCOUNT = "devstoreaccount1"
_EMULATOR_URL = f"http://127.0.0.1:10000/{_EMULATOR_ACCOUNT}"
# Published by Microsoft for every emulator: no secret.
_EMULATOR_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


class BlobAccount:
    """The account whose Blob service is at `url`. An identity is closed by its owner.

    Signed URLs are made with the account's key; by an identity, with a user delegation key,
    which Azure gives for 7 days at most, so that no URL is valid for longer."""

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        patience: Patience,
        now: Callable[[], datetime],
        client_options: dict[str, Any],
    ) -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        self._is_tls = parts.scheme == "https"
        if not self._is_tls and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise errors.Invalid(
                "A storage account is reached by https:, or by http: on this machine.",
                target="url",
            )
        self._credential = credential
        self._patience = patience
        self._now = now
        self._options = client_options
        self._client: BlobServiceClient | None = None
        self._delegation: UserDelegationKey | None = None
        self._delegated_until = datetime.min.replace(tzinfo=UTC)
        self._delegating = asyncio.Lock()

    @property
    def client(self) -> BlobServiceClient:
        """The process's one client, made when first asked for; it connects at its first call."""
        if self._client is None:
            self._client = BlobServiceClient(
                self._url,
                self._credential,
                # Patience retries.
                retry_total=0,
                connection_timeout=CONNECT_WAIT,
                read_timeout=self._patience.attempt,
                max_single_put_size=_PUT_AT_ONCE,
                **self._options,
            )
        return self._client

    @property
    def transport(self) -> "AsyncHttpTransport[Any, Any] | None":
        """What the client was told to go by, which the client closes."""
        return self._options.get("transport")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def plain_url(self, container: str, name: str | None) -> str:
        return blob_urls.plain(self._url, container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        return blob_urls.located(self._url, url)

    async def signature(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        """The query of a signed URL. Raises Invalid for more than 7 days by an identity."""
        expiry = self._now() + expires_in
        options: dict[str, Any] = {
            "expiry": expiry,
            "protocol": "https" if self._is_tls else None,
        }
        if isinstance(self._credential, AzureNamedKeyCredential):
            account = self._credential.named_key.name
            options["account_key"] = self._credential.named_key.key
        else:
            account = self.client.account_name or ""
            options["user_delegation_key"] = await self._delegation_key(expiry)
        wanted = {permission.name.lower(): True for permission in permissions}
        if name is None:
            return generate_container_sas(
                account, container, permission=ContainerSasPermissions(**wanted), **options
            )
        wanted.pop("list", None)
        return generate_blob_sas(
            account, container, name, permission=BlobSasPermissions(**wanted), **options
        )

    async def _delegation_key(self, until: datetime) -> UserDelegationKey:
        now = self._now()
        if until > now + _LONGEST_KEY:
            raise errors.Invalid("By an identity, a URL can be signed for 7 days at most.")
        async with self._delegating:
            if self._delegation is None or until > self._delegated_until:
                expiry = min(until + _KEY_MARGIN, now + _LONGEST_KEY)
                client = self.client
                self._delegation = await self._patience.through(
                    lambda: client.get_user_delegation_key(now - _KEY_BEFORE, expiry),
                    lambda error: fault(error, f"A delegation key of {self._url}"),
                )
                self._delegated_until = expiry
            return self._delegation


def parse_connection_string(text: str) -> tuple[str, AzureNamedKeyCredential]:
    """URL of the Blob service, and the account's key. Raises Invalid, without the text: it is
    a secret."""
    parts = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
    if parts.get("UseDevelopmentStorage", "").lower() == "true":
        return _EMULATOR_URL, AzureNamedKeyCredential(_EMULATOR_ACCOUNT, _EMULATOR_KEY)
    try:
        account, key = parts["AccountName"], parts["AccountKey"]
    except KeyError as missing:
        raise errors.Invalid(
            "A connection string of a storage account has AccountName=...;AccountKey=...; this"
            f" one has no {missing.args[0]}."
        ) from None
    url = parts.get("BlobEndpoint") or (
        f"{parts.get('DefaultEndpointsProtocol', 'https')}://{account}.blob."
        f"{parts.get('EndpointSuffix', 'core.windows.net')}"
    )
    return url, AzureNamedKeyCredential(account, key)


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
