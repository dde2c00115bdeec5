"""The vault and the one secret in it, by Azure Resource Manager alone: whoever may deploy may do
this, without any right on what is kept in the vault, and from outside its network."""

import secrets
from typing import Any

from scripts.provisioning.azure_cli import Absent, AzureCli

SECRET = "cipher-key"
_API = "api-version=2023-07-01"
Json = dict[str, Any]


def recovered(cli: AzureCli, group: str) -> str | None:
    """The name of the vault of that resource group that was deleted and is brought back: with
    purge protection nothing else of its name can be made for 90 days. None if there is none."""
    if _vaults(cli, group):
        return None
    url = f"{_of(cli)}/providers/Microsoft.KeyVault/deletedVaults?{_API}"
    inside = f"/subscriptions/{cli.subscription}/resourceGroups/{group}/".casefold()
    for deleted in cli.pages(url):
        about = deleted["properties"]
        if about["vaultId"].casefold().startswith(inside):
            cli.show(
                *("keyvault", "recover", "--subscription", cli.subscription),
                *("--name", deleted["name"], "--location", about["location"]),
            )
            return str(deleted["name"])
    return None


def key_made(cli: AzureCli, group: str, vault: str) -> bool:
    """Whether there was no key in the vault, so that one was made. One that is there is never
    replaced: all that was sealed with it would be lost."""
    url = f"{_of(cli)}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}"
    secret = f"{url}/secrets/{SECRET}?{_API}"
    try:
        cli.rest("GET", secret)
        return False
    except Absent:
        cli.rest("PUT", secret, {"properties": {"value": secrets.token_urlsafe(48)}})
        return True


def references_read(cli: AzureCli, group: str, app: str) -> None:
    """Have the platform read the app's references to the vault again, which it would do within a
    day."""
    url = f"{_of(cli)}/resourceGroups/{group}/providers/Microsoft.Web/sites/{app}"
    cli.rest("POST", f"{url}/config/configreferences/appsettings/refresh?api-version=2022-03-01")


def _vaults(cli: AzureCli, group: str) -> list[Json]:
    url = f"{_of(cli)}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults?{_API}"
    try:
        return cli.pages(url)
    except Absent:
        return []


def _of(cli: AzureCli) -> str:
    endpoints = cli.show("cloud", "show")["endpoints"]
    return f"{endpoints['resourceManager'].rstrip('/')}/subscriptions/{cli.subscription}"
