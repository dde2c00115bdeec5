"""`mle workspace`: the host, as `az ml workspace` shows one."""

import argparse
from typing import Any

from cli.failures import NotFound
from cli.verbs import Group, Session, Verb, flag

_NOT_HERE = ("application_insights", "container_registry", "key_vault", "storage_account")
"""Resources of Azure that a workspace has there, and this has not."""


def shown(rest: Any) -> dict[str, Any]:
    """A workspace as Azure's command line shows it."""
    properties = rest["properties"]
    return {
        "name": rest["name"],
        "id": rest["id"],
        "location": rest["location"],
        "resource_group": rest["id"].split("/")[4],
        "resourceGroup": rest["id"].split("/")[4],
        "tags": rest.get("tags") or {},
        "display_name": properties.get("friendlyName"),
        "description": properties.get("description"),
        "discovery_url": properties.get("discoveryUrl"),
        "public_network_access": properties.get("publicNetworkAccess"),
        "provisioning_state": properties.get("provisioningState"),
        **dict.fromkeys(_NOT_HERE),
    }


def show(flags: argparse.Namespace, session: Session) -> Any:
    """Raises NotFound for another than the one that is spoken to."""
    workspace = shown(session.arm.get(""))
    if flags.name and flags.name != workspace["name"]:
        raise NotFound(
            f"The workspace here is {workspace['name']!r}, not {flags.name!r}.",
            hint="`mle use` lists other installations.",
        )
    return workspace


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    """The one that there is."""
    return [shown(session.arm.get(""))]


_COLUMNS = ("name", "location", "resource_group")
GROUP = Group(
    "the host as a workspace",
    {
        "show": Verb(
            show,
            "Show it.",
            (flag("-n", "--name", help="which (the one that is there)"),),
            _COLUMNS,
        ),
        "list": Verb(list_all, "List the one that there is.", (), _COLUMNS),
    },
)
