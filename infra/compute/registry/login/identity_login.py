"""Azure Container Registry opened by the identity that this host has, instead of a password.

https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

import time
from typing import TYPE_CHECKING, Final

import aiohttp
import yarl

from domain.ports import Credentials
from infra.compute.registry.registry_access import AccessRefused, Login, short_json

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_SCOPE: Final = "https://containerregistry.azure.net/.default"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The user whose password is a token."""
_LIFE: Final = 3600.0
"""Seconds for which what was given is used: it is good for three hours."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_HOSTS: Final = (".azurecr.io", ".azurecr.cn", ".azurecr.us")


def is_azures(url: yarl.URL) -> bool:
    return url.scheme == "https" and (url.host or "").endswith(_HOSTS)


class IdentityLogin(Login):
    """Of the registry at `url`."""

    def __init__(self, url: yarl.URL, credential: "AsyncTokenCredential") -> None:
        self._url = url
        self._credential = credential
        self._given: Credentials | None = None
        self._until = 0.0

    async def credentials(self, session: aiohttp.ClientSession) -> Credentials:
        if self._given is None or time.monotonic() >= self._until:
            self._given = Credentials(_NOBODY, await self._exchanged(session))
            self._until = time.monotonic() + _LIFE
        return self._given

    async def close(self) -> None:
        await self._credential.close()

    async def _exchanged(self, session: aiohttp.ClientSession) -> str:
        from azure.core.exceptions import AzureError

        try:
            given = await self._credential.get_token(_SCOPE)
        except AzureError as error:
            first = str(error).partition("\n")[0]
            raise AccessRefused(f"this host has no token for it: {first}") from error
        told = {"grant_type": "access_token", "service": self._url.authority}
        told["access_token"] = given.token
        at = self._url.with_path("/oauth2/exchange")
        async with session.post(at, data=told, timeout=_TIMEOUT, allow_redirects=False) as answer:
            if answer.status != 200:
                raise AccessRefused(
                    f"it does not let in this host's identity ({answer.status}), which needs the "
                    "role AcrPush there"
                )
            body = await short_json(answer)
        token = body.get("refresh_token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token:
            raise AccessRefused("it gives this host's identity no token")
        return token
