"""`mle datastore`, with verbs and flags of `az ml datastore`."""

import argparse
from typing import Any

from cli.host.arm import path
from cli.kinds.types import Json
from cli.resources import NAME_NEEDED
from cli.verbs import Group, Session, Verb

_COLUMNS = ("name", "type", "container_name", "is_default")


def shown(rest: Json) -> dict[str, Any]:
    """A datastore as Azure's command line shows it."""
    told = rest["properties"]
    return {
        "name": rest["name"],
        "id": rest["id"],
        "type": "azure_blob",
        "account_name": told.get("accountName"),
        "container_name": told.get("containerName"),
        "endpoint": told.get("endpoint"),
        "protocol": told.get("protocol"),
        "is_default": told.get("isDefault"),
        "description": told.get("description"),
        "tags": told.get("tags") or {},
        "credentials": {},
    }


def show_one(flags: argparse.Namespace, session: Session) -> Any:
    return shown(session.arm.get(path("datastores", flags.name)))


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    return [shown(rest) for rest in session.arm.pages("datastores")]


GROUP = Group(
    "where files are",
    {
        "show": Verb(show_one, "Show a datastore.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(list_all, "List datastores.", (), _COLUMNS),
    },
)
